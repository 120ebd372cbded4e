import Config
import NIOCore
import Testing

@testable import TestSupport
@testable import Tunnel

extension TwoEnded {
    /// Several servers at one tunnel address.
    @Suite("Tunnels that share a port")
    struct SharedPortTests {
        private static let services = ["web", "ssh", "dns.example", "a_b-c", "Web"]

        /// A tunnel of its own service at the port that all of them have, to a target that says its name.
        private struct Shared {
            let service: String
            var ends: TwoEnds
            let target: EchoServer

            var server: InstanceID { "000000a\(Self.number(of: service))" }
            var client: InstanceID { "000000b\(Self.number(of: service))" }

            private static func number(of service: String) -> Int { services.firstIndex(of: service) ?? 0 }

            init(_ service: String, _ way: TunnelWay, at port: UInt16, tls: TLSMode? = nil) async throws {
                self.service = service
                target = try await EchoServer.start(.answer(service))
                ends = try TwoEnds(way, to: target.port, tls: tls)
                ends.server.tunnel.port = port
                ends.client.tunnel.port = port
                ends.server.service = service
                ends.client.service = service
                ends.client.pool.min = 2
            }

            mutating func move(to port: UInt16) {
                ends.server.tunnel.port = port
                ends.client.tunnel.port = port
            }

            func runServer(on engine: TunnelEngine) async {
                await engine.run(server, spec: ends.server, generation: 0, releaseFirst: false)
            }

            func run(on engine: TunnelEngine) async {
                await runServer(on: engine)
                await engine.run(client, spec: ends.client, generation: 0, releaseFirst: false)
            }

            func ready(on engine: TunnelEngine) async throws {
                try await engine.ready(server)
                try await engine.ready(client)
            }

            /// What a user gets of the target.
            func answer() async throws -> String {
                let user = try await TestClient.connect(port: ends.port)
                try await user.send("who?")
                let answer = String(buffer: try await user.hear())
                try? await user.close()
                return answer
            }
        }

        private static func shared(_ way: TunnelWay, tls: TLSMode? = nil, count: Int = 5) async throws -> [Shared] {
            let port = UInt16(try FreePorts.one())
            var all: [Shared] = []
            for service in services.prefix(count) {
                all.append(try await Shared(service, way, at: port, tls: tls))
            }
            return all
        }

        /// Two of them, the second with another key at its server.
        private static func twoKeys() async throws -> [Shared] {
            var all = try await shared(TunnelWay(.reverse, .tcp), count: 2)
            all[1].ends.server.key = Secret("another key")
            return all
        }

        /// What the port answers a client of v1.14 that comes from this address with this key.
        private static func ask(_ port: Int, _ key: String, from host: String) async throws -> String {
            let link = try await ReferenceLink.connect(port: port, from: host)
            try await link.write(ReferenceHandshake.request(token: HandshakeToken(tunnelKey: key).text, host: "none"))
            let answer = String(buffer: try await link.readToEnd())
            await link.close()
            return String(answer.prefix { $0 != "\r" })
        }

        @Test("each user reaches the target of their own tunnel", arguments: TwoEnded.ways)
        func reached(_ way: TunnelWay) async throws {
            let all = try await Self.shared(way, tls: way.transport == .tcp ? nil : .selfSigned)
            try await withKeptLog { engine, log in
                for tunnel in all { await tunnel.run(on: engine) }
                for tunnel in all { try await tunnel.ready(on: engine) }
                for _ in 0..<3 {
                    for tunnel in all { #expect(try await tunnel.answer() == tunnel.service) }
                }
                #expect(engine.snapshot().values.allSatisfy { $0.rejected == 0 })
                #expect(try await log.lines().filter { $0.level == .error }.isEmpty)
            }
        }

        @Test(
            "tunnels come to the port and leave it without a word to those that stay",
            arguments: [nil, .selfSigned] as [TLSMode?]
        )
        func comeAndGo(_ tls: TLSMode?) async throws {
            let all = try await Self.shared(TunnelWay(.reverse, .tcp), tls: tls, count: 3)
            try await withKeptLog { engine, _ in
                await all[0].run(on: engine)
                try await all[0].ready(on: engine)
                await all[1].run(on: engine)
                try await all[1].ready(on: engine)
                // The one that has opened the port leaves first.
                await engine.remove(all[0].server)
                await engine.remove(all[0].client)
                await all[2].run(on: engine)
                try await all[2].ready(on: engine)
                #expect(try await all[1].answer() == all[1].service)
                #expect(try await all[2].answer() == all[2].service)
                for tunnel in all[1...] {
                    let transitions = engine.snapshot()[tunnel.server]?.transitions ?? []
                    #expect(transitions.filter { $0.phase == .ready }.count == 1, "\(tunnel.service)")
                    await engine.remove(tunnel.server)
                }
                // Another program can have the port now.
                let next = try await EchoServer.start(at: Int(all[0].ends.server.tunnel.port))
                try await next.stop()
            }
        }

        @Test("a tunnel moves to a port whose servers live on another loop, and back")
        func moves() async throws {
            let port = UInt16(try FreePorts.take(2)[0])
            let way = TunnelWay(.reverse, .tcp)
            let web = try await Shared("web", way, at: port)
            // Ports that follow one another are given to one loop after the other.
            var ssh = try await Shared("ssh", way, at: port + 1)
            let (first, second) = (web, ssh)
            ssh.move(to: port)
            let moved = ssh
            try await withKeptLog { engine, _ in
                await first.run(on: engine)
                await second.run(on: engine)
                try await second.ready(on: engine)
                for place in [moved, second] {
                    await place.run(on: engine)
                    try await engine.wait(place.server, for: "the port") { status in
                        status.phase == .ready && status.listening.contains { $0.port == place.ends.server.tunnel.port }
                    }
                    try await place.ready(on: engine)
                    #expect(try await place.answer() == "ssh")
                    #expect(try await first.answer() == "web")
                }
            }
        }

        @Test("a client that names no service, or one that is not there, hears so", arguments: [nil, "mail"])
        func unknown(_ service: String?) async throws {
            var all = try await Self.shared(TunnelWay(.reverse, .tcp), count: 2)
            all[1].ends.client.service = service
            let made = all
            try await withKeptLog { engine, _ in
                for tunnel in made { await tunnel.run(on: engine) }
                try await made[0].ready(on: engine)
                let status = try await engine.wait(made[1].client, for: "the answer") { $0.phase == .backoff }
                #expect(status.reason == .serviceUnknown && status.message.contains("service"), "\(status.message)")
                #expect(try await made[0].answer() == made[0].service)
            }
        }

        @Test("a key is proven to the service that was named, and to no other")
        func keys() async throws {
            let made = try await Self.twoKeys()
            try await withKeptLog { engine, _ in
                for tunnel in made { await tunnel.run(on: engine) }
                try await made[0].ready(on: engine)
                let status = try await engine.wait(made[1].client, for: "the refusal") { $0.phase == .backoff }
                #expect(status.reason == .authFailed)
            }
        }

        @Test("servers that cannot be told apart do not share", arguments: ["service", "transport", "tls"])
        func conflict(_ difference: String) async throws {
            var all = try await Self.shared(TunnelWay(.reverse, .tcp), count: 2)
            switch difference {
            case "service": all[1].ends.server.service = all[0].service
            case "transport": all[1].ends.server.transport = .websocket
            default: all[1].ends.server.tls = .selfSigned
            }
            let made = all
            try await withKeptLog { engine, _ in
                await made[0].run(on: engine)
                try await made[0].ready(on: engine)
                await made[1].runServer(on: engine)
                let status = try await engine.wait(made[1].server, for: "the conflict") { $0.phase == .backoff }
                #expect(status.reason == .portInUse && status.message.contains("servers at one address"))
                #expect(try await made[0].answer() == made[0].service)
            }
        }

        @Test("clients of v1.14 are distinguished by their keys, and by their addresses")
        func original() async throws {
            let made = try await Self.twoKeys()
            try await withKeptLog { engine, log in
                for tunnel in made { await tunnel.runServer(on: engine) }
                let port = Int(made[0].ends.server.tunnel.port)
                #expect(try await Self.ask(port, "secret", from: "127.0.0.1").contains("200"))
                // Its links come from the same address.
                #expect(try await Self.ask(port, "another key", from: "127.0.0.1").contains("421"))
                #expect(try await Self.ask(port, "another key", from: "127.0.0.2").contains("200"))
                #expect(try await Self.ask(port, "a wrong key", from: "127.0.0.3").contains("401"))
                try await log.line("clients of v1.14", of: made[1].server)
            }
        }

        @Test("wrong keys are counted at every server of the port, so that none can be tried without end")
        func throttle() async throws {
            let made = try await Self.twoKeys()
            try await withKeptLog { engine, _ in
                for tunnel in made { await tunnel.runServer(on: engine) }
                let port = Int(made[0].ends.server.tunnel.port)
                var answers: [String] = []
                for number in 0..<30 {
                    answers.append(try await Self.ask(port, "guess \(number)", from: "127.0.0.4"))
                }
                #expect(answers.last?.contains("429") == true)
                #expect(try await Self.ask(port, "another key", from: "127.0.0.4").contains("429"))
            }
        }

        @Test("a right token shows nothing once its address has failed too often", arguments: ["auto", "sealed"])
        func oracle(_ policy: String) async throws {
            var all = try await Self.shared(TunnelWay(.reverse, .tcp), count: 2)
            for index in all.indices { all[index].ends.server.handshake = HandshakePolicy(rawValue: policy) ?? .auto }
            let made = all
            try await withKeptLog { engine, _ in
                for tunnel in made { await tunnel.runServer(on: engine) }
                let port = Int(made[0].ends.server.tunnel.port)
                if policy == "sealed" {
                    #expect(try await Self.ask(port, "secret", from: "127.0.0.5").contains("401"))
                }
                for number in 0..<10 { _ = try await Self.ask(port, "guess \(number)", from: "127.0.0.5") }
                #expect(try await Self.ask(port, "secret", from: "127.0.0.5").contains("429"))
            }
        }

        @Test(
            "an address has as many tries of sealed handshakes at all servers of the port together as at one",
            arguments: TwoEnded.transports
        )
        func sealedTries(_ transport: PoolTransport) async throws {
            let all = try await Self.shared(TunnelWay(.reverse, transport))
            try await withKeptLog { engine, _ in
                for tunnel in all { await tunnel.runServer(on: engine) }
                var answered = 0
                for number in 0..<30 {
                    let link = try await ReferenceLink.connect(
                        port: Int(all[0].ends.server.tunnel.port),
                        from: "127.0.0.6"
                    )
                    let offer = SealedOffer.make(
                        host: "none",
                        service: all[number % all.count].service,
                        isBehindProxy: false,
                        nonce: SealedHandshake.makeNonce()
                    )
                    try await link.write(offer.text)
                    if try await link.readText(12) == "HTTP/1.1 101" { answered += 1 }
                    await link.close()
                }
                #expect(answered == TunnelLimits.handshakeFailures)
            }
        }

        @Test("an edit that makes a server another one's double is refused, and that one is left alone")
        func edited() async throws {
            var all = try await Self.shared(TunnelWay(.reverse, .tcp), count: 2)
            let before = all
            all[0].ends.server.service = all[1].service
            let made = all
            try await withKeptLog { engine, _ in
                for tunnel in before { await tunnel.run(on: engine) }
                for tunnel in before { try await tunnel.ready(on: engine) }
                await made[0].runServer(on: engine)
                let status = try await engine.wait(made[0].server, for: "the conflict") { $0.reason == .portInUse }
                #expect(status.message.contains("servers at one address need a service each"))
                await engine.run(before[1].client, spec: before[1].ends.client, generation: 1, releaseFirst: false)
                try await before[1].ready(on: engine)
                #expect(try await before[1].answer() == before[1].service)
                await before[0].runServer(on: engine)
                try await before[0].ready(on: engine)
                #expect(try await before[0].answer() == before[0].service)
            }
        }
    }
}
