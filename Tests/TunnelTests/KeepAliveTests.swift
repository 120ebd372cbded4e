import Config
import Foundation
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Tunnel

@Suite("Peers that vanish", .timeLimit(.minutes(1)))
struct KeepAliveTests {
    @Test("a silent user or target is gone after five times the interval, 75 s unless said otherwise")
    func figures() throws {
        var spec = try TunnelSpec.singleEnd(to: 1)
        #expect(KeepAlive(spec)?.interval == .seconds(15))
        #expect(KeepAlive(spec)?.patience == .seconds(75))
        spec.keepalive = .zero
        #expect(KeepAlive(spec) == nil)
        spec.keepalive = .seconds(60)
        let links = KeepAlive(spec)?.forLinks(TunnelEnvironment())
        #expect(links?.patience == .seconds(20))
        spec.keepalive = .seconds(2)
        #expect(KeepAlive(spec)?.forLinks(TunnelEnvironment()) == KeepAlive(spec))
    }

    @Test("the kernel asks on the sockets of users and of targets, as the tunnel says when they come")
    func singleEnd() async throws {
        let server = try await EchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            let port = await engine.start(spec)
            for (keepalive, expected) in [(15, 8...15), (100, 90...100), (0, nil), (15, 8...15)] {
                spec.keepalive = .seconds(keepalive)
                #expect(await engine.start(spec) == port)
                let user = try await TestClient.connect(port: port)
                #expect(try await user.echo("x") == "x")
                let place = try #require(user.channel.localAddress?.port)
                let ends: [@Sendable () throws -> Int?] = [
                    { try Self.timer(port, place) }, { try Self.timer(to: server.port) },
                ]
                for end in ends {
                    // Right after a write another timer may run.
                    let start = ContinuousClock.now
                    while try end() == nil, expected != nil, ContinuousClock.now - start < .seconds(5) {}
                    let seconds = try end()
                    #expect((expected == nil) == (seconds == nil), "\(keepalive)")
                    if let seconds, let expected { #expect(expected.contains(seconds), "\(keepalive)") }
                }
                try await user.close()
                _ = await engine.figures { $0.tcpConnections == 0 }
            }
        }
    }

    /// Seconds until the kernel asks the peer of a connection (`tr` is 2 in `/proc/net/tcp`); nil when it will not.
    private static func timer(_ local: Int, _ remote: Int) throws -> Int? {
        try timers().first { $0.local == local && $0.remote == remote }?.seconds
    }

    /// The same for the connection to a port.
    private static func timer(to remote: Int) throws -> Int? {
        try timers().first { $0.remote == remote }?.seconds
    }

    private static func timers() throws -> [(local: Int, remote: Int, seconds: Int)] {
        let text = try TextFile.read("/proc/net/tcp", limitBytes: 64 << 20)
        return text.split(separator: "\n").dropFirst().compactMap { line in
            let columns = line.split(separator: " ")
            let timer = columns[5].split(separator: ":")
            // Established connections only.
            guard columns[3] == "01", timer[0] == "02", let ticks = Int(timer[1], radix: 16) else { return nil }
            func port(_ text: Substring) -> Int { Int(text.split(separator: ":")[1], radix: 16) ?? 0 }
            return (port(columns[1]), port(columns[2]), ticks / 100)
        }
    }

    @Test("bytes in flight have a limit, a closed window has none while its owner answers")
    func verdicts() {
        func verdict(
            inFlight: UInt32 = 0,
            unsent: UInt32 = 0,
            probes: UInt8 = 0,
            silence: UInt32 = 0
        ) -> PeerFlight.Verdict {
            var info = PeerFlight()
            (info.inFlight, info.unsent, info.probes, info.silentMilliseconds) = (inFlight, unsent, probes, silence)
            return info.verdict(.seconds(75))
        }
        #expect(verdict() == .delivered)
        #expect(verdict(inFlight: 1) == .inFlight)
        #expect(verdict(inFlight: 1, unsent: 9, silence: 90_000) == .inFlight)
        #expect(verdict(unsent: 9, silence: 10) == .waiting)
        #expect(verdict(unsent: 9, probes: 1, silence: 600_000) == .waiting)
        #expect(verdict(unsent: 9, probes: 3, silence: 60_000) == .waiting)
        #expect(verdict(unsent: 9, probes: 3, silence: 75_000) == .gone)
        #expect(MemoryLayout<PeerFlight>.size == 152)
    }

    @Test("a user who is there and takes nothing is not mistaken for one who has vanished")
    func pausedReader() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let accepted = loop.makePromise(of: (any Channel).self)
        let server = try await ServerBootstrap(group: loop)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                accepted.succeed(channel)
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let writer = try await ClientBootstrap(group: loop)
            .connect(to: try #require(server.localAddress)).get()
        let reader = try await accepted.futureResult.get()
        let socket = try #require(writer as? any SocketOptionProvider)
        func info() async throws -> PeerFlight {
            try await socket.unsafeGetSocketOption(
                level: .tcp,
                name: NIOBSDSocket.Option(rawValue: TCP_INFO)
            ).get()
        }
        #expect(try await info().verdict(.seconds(75)) == .delivered)
        writer.writeAndFlush(ByteBuffer(repeating: 0, count: 32_000_000), promise: nil)
        // Its window is closed when all that was sent is acknowledged and the rest waits.
        let start = ContinuousClock.now
        var last = try await info()
        while last.verdict(.seconds(75)) != .waiting, ContinuousClock.now - start < .seconds(20) {
            last = try await info()
        }
        #expect(last.verdict(.seconds(75)) == .waiting && last.unsent > 0)
        #expect(last.silentMilliseconds < 20_000)
        for channel in [writer, reader, server] { try await channel.close() }
    }
}
