#if QUIC
import CQUIC
import Config
import NIOCore
import NIOPosix
import Testing

@testable import TestSupport
@testable import Tunnel

@Suite("QUIC's endpoints, without a tunnel", .timeLimit(.minutes(1)))
struct QUICTests {
    private static func echo(_ channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(EchoHandler())
    }

    private static func bytes(_ count: Int) -> ByteBuffer {
        ByteBuffer(bytes: (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })
    }

    @Test("bytes survive a line that loses packets, repeats and swaps them", arguments: 1...3 as ClosedRange<UInt64>)
    func badLine(_ seed: UInt64) async throws {
        let server = try await QUICServer.start(Self.echo)
        let line = try await BadLine.start(to: server.port, seed: seed)
        let client = try await QUICClient(on: server.loop, port: line.localAddress?.port ?? 0)
        let links = [try await client.link(), try await client.link()]
        let bytes = Self.bytes(500_000)
        try await withThrowingTaskGroup { group in
            for link in links {
                group.addTask {
                    try await link.write(bytes)
                    try await link.endOutput()
                    #expect(try await link.readToEnd() == bytes)
                }
            }
            try await group.waitForAll()
        }
        for link in links { await link.close() }
        try await line.close()
        try await server.stop()
    }

    @Test("a client whose address changes keeps its streams, in the middle of what they send")
    func migration() async throws {
        let server = try await QUICServer.start(Self.echo)
        let nat = try await ForgetfulNAT.start(to: server.port)
        let client = try await QUICClient(on: server.loop, port: nat.channel.localAddress?.port ?? 0)
        let link = try await client.link()
        let bytes = Self.bytes(300_000)
        for host in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
            async let heard = link.read(bytes.readableBytes)
            try await link.write(bytes)
            try await nat.rebind(host).get()
            #expect(try await heard == bytes)
            try await link.write("still here")
            #expect(try await link.readText(10) == "still here")
        }
        #expect(try await server.figures().connections == 1)
        await link.close()
        try await nat.channel.close()
        try await server.stop()
    }

    @Test("a stream that nobody reads holds back its own sender, and no other stream")
    func unreadStream() async throws {
        let server = try await QUICServer.start { channel in
            // The first says so; what reads nothing keeps nothing but its window.
            try channel.pipeline.syncOperations.addHandler(QuietOnRequest())
        }
        let client = try await QUICClient(on: server.loop, port: server.port)
        let (quiet, other) = (try await client.link(), try await client.link())
        try await quiet.write("q")
        #expect(try await quiet.readText(1) == "q")
        // More than the window of the stream, and more than may wait before it.
        let bytes = ByteBuffer(
            repeating: 1,
            count: TunnelLimits.quicStreamWindowBytes + 2 * TunnelLimits.writeBufferHighBytes
        )
        quiet.channel.writeAndFlush(bytes, promise: nil)
        for _ in 0..<20 {
            try await other.write("hello")
            #expect(try await other.readText(5) == "hello")
        }
        #expect(!quiet.channel.isWritable && other.channel.isWritable)
        await quiet.close()
        await other.close()
        try await server.stop()
    }

    @Test("a stream that the other end has closed ends here too, while this end still sends")
    func closedByPeer() async throws {
        let server = try await QUICServer.start { channel in
            try channel.pipeline.syncOperations.addHandler(ClosingHandler())
        }
        let client = try await QUICClient(on: server.loop, port: server.port)
        let (keeper, link) = (try await client.link(), try await client.link())
        try await link.write("close")
        #expect(try await link.readToEnd().readableBytes == 0)
        while link.channel.isActive { try? await link.write("more") }
        try await link.channel.closeFuture.get(within: .seconds(10), "the end")
        await keeper.close()
        try await server.stop()
    }

    @Test("a stream that has ended both ways is closed by itself")
    func endedBothWays() async throws {
        let server = try await QUICServer.start(Self.echo)
        let client = try await QUICClient(on: server.loop, port: server.port)
        let (keeper, link) = (try await client.link(), try await client.link())
        try await link.write("all")
        try await link.endOutput()
        #expect(String(buffer: try await link.readToEnd()) == "all")
        try await link.channel.closeFuture.get(within: .seconds(10), "the end")
        await keeper.close()
        try await server.stop()
    }

    @Test("a stream refuses the options that it does not have, and bytes come behind a read, never within it")
    func streamChannel() async throws {
        let server = try await QUICServer.start(Self.echo)
        let client = try await QUICClient(on: server.loop, port: server.port)
        let link = try await client.link()
        let channel = link.channel
        await #expect(throws: ChannelError.operationUnsupported) {
            try await channel.setOption(.socketOption(.so_keepalive), value: 1).get()
        }
        try await channel.setOption(.autoRead, value: false).get()
        // A read was under way.
        try await link.write("first")
        #expect(try await link.readText(5) == "first")
        try await link.write("abc")
        // Another stream's answer came later than this one's.
        let other = try await client.link()
        try await other.write("x")
        #expect(try await other.readText(1) == "x")
        try await server.loop.submit {
            channel.read()
            #expect(link.inbox.current.bytes.readableBytes == 0)
        }.get()
        #expect(try await link.readText(3) == "abc")
        await link.close()
        await other.close()
        try await server.stop()
    }

    @Test("with many unproven connections a new one has to show where it is, and gets in")
    func retry() async throws {
        let server = try await QUICServer.start(proves: false, Self.echo)
        var links: [ReferenceLink] = []
        for _ in 0...TunnelLimits.quicUnprovenBeforeRetry {
            let link = try await QUICClient(on: server.loop, port: server.port).link()
            try await link.write("in")
            #expect(try await link.readText(2) == "in")
            links.append(link)
        }
        let figures = try await server.figures()
        #expect(figures.connections == TunnelLimits.quicUnprovenBeforeRetry + 1)
        #expect(figures.retries == 1)
        for link in links { await link.close() }
        try await server.stop()
    }

    @Test("first packets without end make few connections, and a client still gets in")
    func initialFlood() async throws {
        let server = try await QUICServer.start(proves: false, Self.echo)
        let packets = Awaited<[ByteBuffer]>([])
        let hole = try await BlackHole.start(packets)
        let count = TunnelLimits.quicUnprovenBeforeRetry * 2
        let dials = Task {
            await withTaskGroup { group in
                for _ in 0..<count {
                    group.addTask {
                        let client = try? await QUICClient(on: server.loop, port: hole.localAddress?.port ?? 0)
                        _ = try? await client?.link()
                    }
                }
            }
        }
        let first = try await packets.wait(for: "first packets") { $0.count >= count ? $0 : nil }
        let stranger = try await DatagramClient.connect(port: server.port)
        for packet in first { try await stranger.send(packet) }
        // Its packets come behind those.
        let link = try await QUICClient(on: server.loop, port: server.port).link()
        try await link.write("in")
        #expect(try await link.readText(2) == "in")
        let figures = try await server.figures()
        #expect(figures.connections <= TunnelLimits.quicUnprovenBeforeRetry + 1)
        #expect(figures.retries >= count - TunnelLimits.quicUnprovenBeforeRetry)
        await link.close()
        dials.cancel()
        try await hole.close()
        try await stranger.channel.close()
        try await server.stop()
    }

    @Test("a UDP port that is taken keeps a server from starting, as a TCP port does, until it is free")
    func portTaken() async throws {
        var spec = try TunnelSpec.server(.one, target: try FreePorts.one(), key: "secret", tls: nil)
        spec.transport = .quic
        let port = Int(spec.tunnel.port)
        let made = spec
        let holder = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: port)
            .get()
        try await withEngine { engine in
            await engine.run(TwoEnds.serverID, spec: made, generation: 0, releaseFirst: false)
            let status = try await engine.wait(TwoEnds.serverID, for: "PortInUse") { $0.reason == .portInUse }
            #expect(status.message.contains("udp"))
            try await holder.close()
            try await engine.wait(TwoEnds.serverID, for: "the port") { $0.phase == .connecting }
        }
    }

    @Test("garbage makes no connection and gets no answer longer than itself", arguments: 1...4 as ClosedRange<UInt64>)
    func garbage(_ seed: UInt64) async throws {
        let server = try await QUICServer.start(proves: false, Self.echo)
        var random = SeededRandom(seed: seed)
        let stranger = try await DatagramClient.connect(port: server.port)
        var sent = 0
        for _ in 0..<300 {
            let length = Int.random(in: 1...1300, using: &random)
            var bytes = (0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            // Half of them with a long head, of our version or another.
            if Bool.random(using: &random) {
                bytes[0] |= 0xc0
                if length > 5, Bool.random(using: &random) { bytes.replaceSubrange(1..<5, with: [0, 0, 0, 1]) }
            }
            sent += length
            try await stranger.send(ByteBuffer(bytes: bytes))
        }
        let link = try await QUICClient(on: server.loop, port: server.port).link()
        try await link.write("in")
        #expect(try await link.readText(2) == "in")
        #expect(try await server.figures().connections <= TunnelLimits.quicUnprovenBeforeRetry + 1)
        try await stranger.channel.close()
        var heard = 0
        for await answer in stranger.datagrams { heard += answer.readableBytes }
        #expect(heard < sent)
        await link.close()
        try await server.stop()
    }

    @Test("a client that proves nothing gets as many streams and bytes as one may have, and no more")
    func unproven() async throws {
        let server = try await QUICServer.start(proves: false, Self.echo)
        let client = try await QUICClient(on: server.loop, port: server.port)
        var links: [ReferenceLink] = []
        for _ in 0..<TunnelLimits.quicUnprovenStreams { links.append(try await client.link()) }
        for link in links { try await link.write("x") }
        for link in links { #expect(try await link.readText(1) == "x") }
        // Another link of this client is one of another connection.
        let other = try await client.link()
        try await other.write("y")
        #expect(try await other.readText(1) == "y")
        #expect(try await server.figures().connections == 2)
        links[0].channel.writeAndFlush(
            ByteBuffer(repeating: 1, count: TunnelLimits.quicUnprovenWindowBytes * 2),
            promise: nil
        )
        let echoed = TunnelLimits.quicUnprovenWindowBytes - 2 * TunnelLimits.quicUnprovenStreams
        #expect(try await links[0].read(echoed).readableBytes == echoed)
        try await other.write("z")
        #expect(try await other.readText(1) == "z")
        #expect(links[0].inbox.current.bytes.readableBytes == 0)
        for link in links + [other] { await link.close() }
        try await server.stop()
    }

    @Test("what strangers get for any packet is not made of the tunnel key, which they could then guess")
    func resetToken() async throws {
        var spec = try TunnelSpec.server(.one, target: try FreePorts.one(), key: "secret", tls: nil)
        spec.transport = .quic
        let made = spec
        // Of a connection that was; its id is the same in both.
        let packet = ByteBuffer(bytes: [0x40] + Array(repeating: 7, count: 80))
        var tokens: [[UInt8]] = []
        for _ in 0..<2 {
            try await withEngine { engine in
                await engine.run("00000001", spec: made, generation: 0, releaseFirst: false)
                try await engine.wait("00000001", for: "the port") { $0.phase == .connecting }
                let stranger = try await DatagramClient.connect(port: Int(made.tunnel.port))
                try await stranger.send(packet)
                let answer = try #require(await stranger.datagrams.first { _ in true })
                tokens.append(Array(answer.readableBytesView.suffix(16)))
                try await stranger.channel.close()
            }
        }
        #expect(tokens[0] != tokens[1])
    }

    @Test("a connection whose server has gone ends at its next packet, not at its time-out")
    func statelessReset() async throws {
        let server = try await QUICServer.start(Self.echo)
        let client = try await QUICClient(on: server.loop, port: server.port)
        let link = try await client.link()
        try await link.write("in")
        #expect(try await link.readText(2) == "in")
        try await server.forget()
        try await link.write(Self.bytes(100))
        #expect(try await link.readToEnd().readableBytes == 0)
        await link.close()
        try await server.stop()
    }
}

/// Closes what sends anything.
private final class ClosingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.close(promise: nil)
    }
}

/// Echoes until it has read a `q`, which it echoes, and reads no more then.
private final class QuietOnRequest: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if Self.unwrapInboundIn(data).readableBytesView.first == UInt8(ascii: "q") {
            try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        }
        context.writeAndFlush(data, promise: nil)
    }
}
#endif
