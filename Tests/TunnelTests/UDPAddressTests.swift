import Config
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Tunnel

@Suite("UDP answers come from the address that was asked", .timeLimit(.minutes(1)))
struct UDPAddressTests {
    /// Addresses of this machine, of which a listener on every address has all.
    private static let asked = ["127.0.0.1", "127.0.0.2", "127.9.8.7"]

    @Test("of a single-end tunnel on every address", arguments: ["0.0.0.0", "::", ""])
    func singleEnd(_ host: String) async throws {
        let server = try await DatagramEchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.tunnel.host = host
            let port = await engine.start(spec)
            for address in Self.asked + (host == "0.0.0.0" ? [] : ["::1"]) {
                // The kernel gives a connected socket nothing from another address.
                let user = try await DatagramClient.connect(port: port, host: address)
                try await user.send(ByteBuffer(string: address))
                #expect(await user.hear(1) == [ByteBuffer(string: address)])
            }
        }
    }

    @Test("also for one user who asks several addresses at once", arguments: ["0.0.0.0", "::"])
    func oneUser(_ host: String) async throws {
        let server = try await DatagramEchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.tunnel.host = host
            let port = await engine.start(spec)
            let (answers, inbox) = AsyncStream.makeStream(of: AddressedEnvelope<ByteBuffer>.self)
            let user = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(EnvelopeInbox(inbox))
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            for address in Self.asked {
                let place = try SocketAddress(ipAddress: address, port: port)
                user.write(AddressedEnvelope(remoteAddress: place, data: ByteBuffer(string: address)), promise: nil)
            }
            user.flush()
            let limit = user.eventLoop.scheduleTask(in: .seconds(15)) { user.close(promise: nil) }
            var heard: [String: String] = [:]
            for await answer in answers {
                heard[String(buffer: answer.data)] = answer.remoteAddress.ipAddress
                if heard.count == Self.asked.count { break }
            }
            limit.cancel()
            #expect(heard == Dictionary(uniqueKeysWithValues: Self.asked.map { ($0, $0) }))
            #expect(engine.snapshot()["00000001"]?.udpSessions == 3)
            try await user.close()
        }
    }

    @Test("a second tunnel on every address cannot take the port of the first")
    func portInUse() async throws {
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: 9)
            spec.tunnel.host = "0.0.0.0"
            spec.protocols = [.udp]
            _ = await engine.start(spec)
            _ = await engine.start(spec, as: "00000002")
            #expect(engine.snapshot()["00000001"]?.phase == .ready)
            #expect(engine.snapshot()["00000002"]?.transitions.last?.reason == .portInUse)
        }
    }
}

extension TwoEnded {
    @Suite("UDP answers of an entry")
    struct UDPAddressTests {
        @Test("come from the address that was asked", arguments: TwoEnded.flows, ["0.0.0.0", "::"])
        func entry(_ flow: TunnelFlow, _ host: String) async throws {
            let target = try await DatagramEchoServer.start()
            var ends = try TwoEnds(flow, to: target.port)
            ends.entry.targets[0].host = host
            try await withTwoEnds(ends) { [port = ends.port] _, _ in
                for address in ["127.0.0.1", "127.0.0.2"] {
                    let user = try await DatagramClient.connect(port: port, host: address)
                    try await user.send(ByteBuffer(string: address))
                    #expect(await user.hear(1) == [ByteBuffer(string: address)])
                }
            }
        }
    }
}

private final class EnvelopeInbox: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let inbox: AsyncStream<AddressedEnvelope<ByteBuffer>>.Continuation

    init(_ inbox: AsyncStream<AddressedEnvelope<ByteBuffer>>.Continuation) {
        self.inbox = inbox
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        inbox.yield(Self.unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) {
        inbox.finish()
    }
}
