import Config
import NIOCore
import TestSupport
import Testing

@testable import Tunnel

@Suite("A log says what lasts once, and then thinned", .timeLimit(.minutes(1)))
struct LogFloodTests {
    private static let id = "00000001"
    private static let users = 64

    @Test("a target that is down is a few lines with counts, however many users come, and its last error is known")
    func targetDown() async throws {
        try await withKeptLog { engine, log in
            let target = try deadPort()
            let port = await engine.start(try .singleEnd(to: target))
            for _ in 0..<Self.users {
                let user = try await TestClient.connect(port: port)
                #expect(try await user.receiveAll().readableBytes == 0)
            }
            try await log.line("(\(Self.users) so far)", of: Self.id)
            let lines = try await log.lines().filter { $0.level == .error }
            #expect(lines.count == 7)
            let health = try #require(engine.snapshot()[Self.id]?.targets.first)
            #expect(health.target?.port == UInt16(target))
            #expect(health.failures == Self.users)
            #expect(health.error == "Connection refused")
            #expect(health.errorTime != nil && health.reachedTime == nil)
        }
    }

    @Test("at debug every one of them is a line")
    func debug() async throws {
        try await withKeptLog { engine, log in
            var spec = try TunnelSpec.singleEnd(to: try deadPort())
            spec.log = .debug
            let port = await engine.start(spec)
            for _ in 0..<Self.users {
                #expect(try await TestClient.connect(port: port).receiveAll().readableBytes == 0)
            }
            try await log.wait(for: "a line each") { lines in
                lines.count { $0.message.hasPrefix("Target unreachable") } == Self.users ? true : nil
            }
        }
    }

    @Test("users who are denied, over the limit or blocked are a few lines")
    func refusedUsers() async throws {
        let server = try await EchoServer.start()
        try await withKeptLog { engine, log in
            var denied = try TunnelSpec.singleEnd(to: server.port)
            denied.access.deny = [try #require(IPNetwork("127.0.0.0/8"))]
            var blocked = try TunnelSpec.singleEnd(to: server.port)
            blocked.block = [.http]
            let deniedPort = await engine.start(denied)
            let blockedPort = await engine.start(blocked, as: "00000002")
            for _ in 0..<Self.users {
                #expect(try await TestClient.connect(port: deniedPort).receiveAll().readableBytes == 0)
                let user = try await TestClient.connect(port: blockedPort)
                try await user.send("\r\nGET / HTTP/1.1\r\n\r\n")
                #expect(try await user.receiveAll().readableBytes == 0)
            }
            try await log.line("access denied (\(Self.users) so far)", of: Self.id)
            try await log.line("(\(Self.users) so far)", of: "00000002")
            #expect(try await log.lines().count { $0.level == .warn } == 14)
        }
    }

    @Test("a client whose server is away fails once, with one line a doubling, and no step for each attempt")
    func serverAway() async throws {
        try await withKeptLog { engine, log in
            var spec = TunnelSpec.dual(meeting: try deadPort(), target: 9)
            spec.log = .info
            _ = await engine.start(spec)
            try await log.wait(for: "the fourth failure") { lines in
                lines.contains { $0.message.hasPrefix("Client error") && $0.message.hasSuffix("(4 so far)") }
                    ? true : nil
            }
            let status = try #require(engine.snapshot()[Self.id])
            #expect(status.phase == .backoff)
            let phases = status.transitions.map(\.phase)
            #expect(phases == [.stopped, .starting, .connecting, .backoff])
            #expect(try await log.lines().count { $0.message.hasPrefix("Client error") } == 3)
            #expect(try await log.lines().count { $0.message.hasPrefix("Pending") } <= 4)
        }
    }

    @Test("every start that somebody asks for is a line")
    func restarts() async throws {
        try await withKeptLog { engine, log in
            let spec = try TunnelSpec.singleEnd(to: try deadPort())
            for generation in 0..<5 { _ = await engine.start(spec, generation: generation) }
            try await log.wait(for: "five lines") { lines in
                lines.count { $0.message.hasPrefix("Client started") } == 5 ? true : nil
            }
        }
    }

    @Test("handshakes with another key are one step of the server's life, and a few lines")
    func badHandshakes() async throws {
        try await withKeptLog { engine, log in
            var spec = try TunnelSpec.server(.one, target: try FreePorts.one())
            spec.log = .info
            let port = await engine.start(spec)
            for number in 0..<Self.users {
                let stranger = try await TestClient.connect(port: Int(spec.tunnel.port))
                try await stranger.send("GET / HTTP/1.1\r\nAuthorization: Bearer \(number)\r\n\r\n")
                _ = try await stranger.receiveAll()
            }
            #expect(port > 0)
            try await log.line("(\(Self.users) so far)", of: Self.id)
            let status = try #require(engine.snapshot()[Self.id])
            #expect(status.transitions.count { $0.phase == .connecting } <= 2)
            #expect(try await log.lines().count { $0.message.hasPrefix("Connection from") } == 7)
        }
    }

    @Test("a UDP target that refuses is a line with its address, and its last error is known", arguments: [1, 2])
    func datagramsRefused(_ count: Int) async throws {
        try await withKeptLog { engine, log in
            let target = try deadPort()
            let port = await engine.start(try .singleEnd(to: target))
            let user = try await DatagramClient.connect(port: port)
            for _ in 0..<count { user.channel.write(ByteBuffer(string: "hello"), promise: nil) }
            user.channel.flush()
            try await log.line("Target failed: udp 127.0.0.1:\(target)", of: Self.id)
            let health = try #require(engine.snapshot()[Self.id]?.targets.first)
            #expect(health.error != nil && health.failures > 0)
        }
    }

    @Test("the target that the other end cannot reach is known at the entry, too", arguments: TwoEnded.flows)
    func farTarget(_ flow: TunnelFlow) async throws {
        let ends = try TwoEnds(flow, to: try deadPort())
        try await withTwoEnds(ends) { engine, log in
            let user = try await TestClient.connect(port: ends.port)
            #expect(try await user.receiveAll().readableBytes == 0)
            try await log.line("The peer refused a connection", of: ends.entryID)
            let far = try #require(engine.snapshot()[ends.entryID]?.targets.first)
            #expect(far.target == nil)
            #expect(far.error?.contains("Connection refused") == true)
            #expect(engine.snapshot()[ends.exitID]?.targets.first?.failures == 1)
        }
    }

    @Test("exchanges of a tunnel that the API made are shown at info, ten a second")
    func exchanges() async throws {
        let server = try await EchoServer.start(.speakFirst("x"))
        try await withKeptLog { engine, log in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.exchangeLines = ExchangeLines(areInfo: true)
            let port = await engine.start(spec)
            let quiet = await engine.start(try .singleEnd(to: server.port), as: "00000002")
            for port in [port, quiet] {
                let user = try await TestClient.connect(port: port)
                #expect(try await user.receiveText(1) == "x")
                try await user.close()
            }
            let line = try await log.line("Starting exchange: 127.0.0.1:", of: Self.id)
            #expect(line.level == .info)
            try await log.line("Exchange complete: 127.0.0.1:", of: Self.id)
            #expect(try await !log.lines().contains { $0.id == "00000002" && $0.message.contains("xchange") })
        }
    }
}
