import Config
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Tunnel

@Suite("A single-end tunnel over TCP", .timeLimit(.minutes(1)))
struct TCPTests {
    @Test("bytes go both ways, and are counted at the user's side", arguments: RelayPath.allCases)
    func echo(path: RelayPath) async throws {
        let server = try await EchoServer.start()
        try await withEngine(environment: path.environment) { engine in
            let client = try await TestClient.connect(port: await engine.start(try .singleEnd(to: server.port)))
            try await client.send("hello")
            #expect(try await client.receiveText(5) == "hello")
            try await client.endOutput()
            #expect(try await client.receiveAll().readableBytes == 0)
            let status = await engine.figures { $0.tcpConnections == 0 }
            #expect(status.traffic == Traffic(tcpRx: 5, tcpTx: 5))
        }
    }

    @Test("the answer to a half-closed request arrives whole", arguments: RelayPath.allCases)
    func halfClose(path: RelayPath) async throws {
        let server = try await EchoServer.start(.answerAfterEnd)
        try await withEngine(environment: path.environment) { engine in
            let client = try await TestClient.connect(port: await engine.start(try .singleEnd(to: server.port)))
            try await client.send(ByteBuffer(repeating: 7, count: 3_000_000))
            try await client.endOutput()
            #expect(String(buffer: try await client.receiveAll()) == "got 3000000")
        }
    }

    @Test("a client that ends before the target is reached still gets its answer", arguments: RelayPath.allCases)
    func earlyEnd(path: RelayPath) async throws {
        let server = try await EchoServer.start(.answerAfterEnd)
        try await withEngine(environment: path.environment) { engine in
            let client = try await TestClient.connect(port: await engine.start(try .singleEnd(to: server.port)))
            try await client.endOutput()
            #expect(String(buffer: try await client.receiveAll()) == "got 0")
        }
    }

    @Test(
        "a download that outruns its reader is delivered whole after the target has closed",
        arguments: RelayPath.allCases
    )
    func slowReader(path: RelayPath) async throws {
        let server = try await EchoServer.start(.echo)
        try await withEngine(environment: path.environment) { engine in
            let client = try await TestClient.connect(port: await engine.start(try .singleEnd(to: server.port)))
            try await client.channel.setOption(.autoRead, value: false).get()
            async let sent: Void = client.send(ByteBuffer(repeating: 1, count: 20_000_000))
            _ = await engine.figures { $0.traffic.tcpRx >= 1_000_000 }
            try await client.channel.setOption(.autoRead, value: true).get()
            try await sent
            try await client.endOutput()
            #expect(try await client.receiveAll().readableBytes == 20_000_000)
        }
    }

    @Test("targets take turns and a dead one is passed over", arguments: RelayPath.allCases)
    func failover(path: RelayPath) async throws {
        let first = try await EchoServer.start(.speakFirst("A"))
        let second = try await EchoServer.start(.speakFirst("B"))
        let gone = try await EchoServer.start()
        let dead = gone.port
        try await gone.stop()
        try await withEngine(environment: path.environment) { engine in
            let port = await engine.start(try .singleEnd(to: first.port, dead, second.port))
            var heard = ""
            for _ in 0..<4 { heard += try await TestClient.connect(port: port).receiveText(1) }
            #expect(heard == "ABBA" || heard == "ABAB")
        }
    }

    @Test("a connection whose targets are all dead is closed", arguments: RelayPath.allCases)
    func unreachable(path: RelayPath) async throws {
        let gone = try await EchoServer.start()
        let dead = gone.port
        try await gone.stop()
        try await withEngine(environment: path.environment) { engine in
            let client = try await TestClient.connect(port: await engine.start(try .singleEnd(to: dead)))
            #expect(try await client.receiveAll().readableBytes == 0)
            #expect(engine.snapshot()["00000001"]?.phase == .ready)
        }
    }

    @Test("PROXY v1 comes before the first byte", arguments: RelayPath.allCases)
    func proxyHeader(path: RelayPath) async throws {
        let server = try await EchoServer.start()
        try await withEngine(environment: path.environment) { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.proxyProtocol = .v1
            let client = try await TestClient.connect(port: await engine.start(spec))
            let port = client.channel.localAddress?.port ?? 0
            let expected = "PROXY TCP4 127.0.0.1 127.0.0.1 \(port) \(server.port)\r\nhi"
            try await client.send("hi")
            #expect(try await client.receiveText(expected.utf8.count) == expected)
        }
    }

    @Test(
        "a blocked protocol is cut before the target hears of it",
        arguments: ["GET / HTTP/1.1\r\n", "\u{5}\u{1}\u{0}"],
        RelayPath.allCases
    )
    func block(_ greeting: String, path: RelayPath) async throws {
        let server = try await EchoServer.start()
        try await withEngine(environment: path.environment) { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.block = [.http, .socks]
            let client = try await TestClient.connect(port: await engine.start(spec))
            try await client.send(greeting)
            #expect(try await client.receiveAll().readableBytes == 0)
            #expect(engine.snapshot()["00000001"]?.traffic == Traffic())
        }
    }

    @Test("where protocols are blocked, others pass and servers may still speak first", arguments: RelayPath.allCases)
    func blockPassesOthers(path: RelayPath) async throws {
        let server = try await EchoServer.start(.speakFirst("220 ready"))
        try await withEngine(environment: path.environment) { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.block = [.http, .socks, .tls]
            let port = await engine.start(spec)
            let patient = try await TestClient.connect(port: port)
            #expect(try await patient.receiveText(9) == "220 ready")
            try await patient.send("ping")
            #expect(try await patient.receiveText(4) == "ping")
            // Waiting for the greeting is no way around the block.
            try await patient.endOutput()
            let sly = try await TestClient.connect(port: port)
            #expect(try await sly.receiveText(9) == "220 ready")
            try await sly.send("GET / HTTP/1.1\r\n")
            #expect(try await sly.receiveAll().readableBytes == 0)
        }
    }

    @Test(
        "the connection limit refuses the next one and takes it again when one has gone",
        arguments: RelayPath.allCases
    )
    func slots(path: RelayPath) async throws {
        let server = try await EchoServer.start()
        try await withEngine(environment: path.environment) { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.connections = 1
            let port = await engine.start(spec)
            let first = try await TestClient.connect(port: port)
            try await first.send("1")
            #expect(try await first.receiveText(1) == "1")
            let second = try await TestClient.connect(port: port)
            #expect(try await second.receiveAll().readableBytes == 0)
            try await first.endOutput()
            _ = try await first.receiveAll()
            _ = await engine.figures { $0.tcpConnections == 0 }
            let third = try await TestClient.connect(port: port)
            try await third.send("3")
            #expect(try await third.receiveText(1) == "3")
        }
    }

    @Test("access rules turn away who is denied or not allowed", arguments: RelayPath.allCases)
    func access(path: RelayPath) async throws {
        let server = try await EchoServer.start()
        try await withEngine(environment: path.environment) { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.access.allow = [try #require(IPNetwork("10.0.0.0/8"))]
            let client = try await TestClient.connect(port: await engine.start(spec))
            #expect(try await client.receiveAll().readableBytes == 0)
        }
    }

    @Test("a rate limit shapes one flow without ever stalling it", arguments: RelayPath.allCases)
    func rate(path: RelayPath) async throws {
        let server = try await EchoServer.start()
        try await withEngine(environment: path.environment) { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.rateMbps = 8
            let client = try await TestClient.connect(port: await engine.start(spec))
            let start = ContinuousClock.now
            async let echoed = client.receive(500_000)
            try await client.send(ByteBuffer(repeating: 1, count: 500_000))
            #expect(try await echoed.readableBytes == 500_000)
            // 500 kB at 1 MB/s take half a second; a limiter that does nothing takes a few milliseconds.
            #expect(ContinuousClock.now - start > .milliseconds(350))
        }
    }

    @Test("an idle connection is closed after the read timeout", arguments: RelayPath.allCases)
    func readTimeout(path: RelayPath) async throws {
        let server = try await EchoServer.start(.sink)
        try await withEngine(environment: path.environment) { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.readTimeout = .milliseconds(100)
            let client = try await TestClient.connect(port: await engine.start(spec))
            try await client.send("hi")
            #expect(try await client.receiveAll().readableBytes == 0)
        }
    }

    @Test("1,000 connections at once all get their own bytes back", arguments: RelayPath.allCases)
    func thousand(path: RelayPath) async throws {
        let server = try await EchoServer.start()
        try await withEngine(environment: path.environment) { engine in
            let port = await engine.start(try .singleEnd(to: server.port))
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<1000 {
                    group.addTask {
                        let client = try await TestClient.connect(port: port)
                        let text = "connection \(number)"
                        try await client.send(text)
                        let isSame = try await client.receiveText(text.utf8.count) == text
                        try await client.close()
                        return isSame
                    }
                }
                for try await isSame in group { #expect(isSame) }
            }
            let sent = (0..<1000).reduce(0) { $0 + "connection \($1)".utf8.count }
            #expect(engine.snapshot()["00000001"]?.traffic.tcpRx == UInt64(sent))
        }
    }
}
