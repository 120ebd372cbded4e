import Config
import NIOCore
import Testing

@testable import TestSupport
@testable import Tunnel

@Suite("Which kinds of links a client asks for")
struct TransportMemoryTests {
    @Test("one that did not come is left out for a while, and all are tried again when none has come")
    func memory() {
        var memory = TransportMemory()
        let now = NIODeadline.now()
        let later = now + TimeAmount(TunnelLimits.unreachableTransport)
        memory.failed(.quic, of: [.quic, .websocket], now: now)
        #expect(memory.unreachable(now: now) == [.quic] && memory.unreachable(now: later).isEmpty)
        memory.failed(.websocket, of: [.quic, .websocket], now: now)
        #expect(memory.unreachable(now: now).isEmpty)
    }
}

extension TwoEnded {
    @Suite("A server that offers several kinds of links", .enabled(if: QUICLink.isBuilt))
    struct TransportChoiceTests {
        private static func ends(to target: Int) throws -> TwoEnds {
            var ends = try TwoEnds(.reverse, to: target)
            ends.server.transports = PoolTransport.automatic
            return ends
        }

        @Test("the client takes the first where nothing is in its way")
        func first() async throws {
            let target = try await EchoServer.start()
            let ends = try Self.ends(to: target.port)
            try await withTwoEnds(ends) { engine, _ in
                let hi = try await TestClient.echo("hi", port: ends.port)
                #expect(hi == "hi")
                #expect(engine.snapshot().values.allSatisfy { $0.peer?.transport == .quic })
            }
        }

        @Test("where UDP does not pass it takes the next, and stays with it when the server comes back")
        func blocked() async throws {
            let target = try await EchoServer.start()
            var made = try Self.ends(to: target.port)
            // Passes TCP alone.
            let path = try await WireTap.start(server: Int(made.server.tunnel.port))
            made.client.tunnel.port = UInt16(path.port)
            let ends = made
            try await withTwoEnds(ends) { engine, log in
                try await log.line("No link over quic", of: TwoEnds.clientID)
                let hi = try await TestClient.echo("hi", port: ends.port)
                #expect(hi == "hi")
                #expect(engine.snapshot().values.allSatisfy { $0.peer?.transport == .websocket })
                await engine.run(TwoEnds.serverID, spec: ends.server, generation: 1, releaseFirst: false)
                try await ends.ready(on: engine)
                let again = try await TestClient.echo("again", port: ends.port)
                #expect(again == "again")
                let lines = try await log.lines().filter { $0.message.contains("No link over quic") }
                #expect(lines.count == 1)
            }
        }

        @Test("a client behind a proxy, which QUIC does not pass, does not try it")
        func proxied() async throws {
            let target = try await EchoServer.start()
            var made = try Self.ends(to: target.port)
            let proxy = try await TestProxy.start(.http(), to: Int(made.server.tunnel.port))
            made.client.via = try ProxyAddress("http://127.0.0.1:\(proxy.port)")
            let ends = made
            try await withTwoEnds(ends) { engine, log in
                let hi = try await TestClient.echo("hi", port: ends.port)
                #expect(hi == "hi")
                #expect(engine.snapshot().values.allSatisfy { $0.peer?.transport == .websocket })
                let lines = try await log.lines()
                #expect(!lines.contains { $0.message.contains("No link over") })
            }
        }

        @Test("a client of v1.14 gets the last, which works anywhere")
        func original() async throws {
            let ends = try Self.ends(to: try deadPort())
            try await withKeptLog { engine, _ in
                await engine.run(TwoEnds.serverID, spec: ends.server, generation: 0, releaseFirst: false)
                let link = try await ReferenceLink.connect(port: Int(ends.server.tunnel.port))
                let token = HandshakeToken(tunnelKey: "secret").text
                try await link.write(ReferenceHandshake.request(token: token, host: "none"))
                let terms = try ReferenceHandshake.terms(String(buffer: try await link.readToEnd()))
                #expect(terms.type == "2" && terms.tls == "1")
            }
        }
    }
}
