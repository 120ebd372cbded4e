import Config
import FoundationEssentials
import NIOCore
import Testing

@testable import TestSupport
@testable import Tunnel

extension TwoEnded {
    @Suite("Strangers at a server's tunnel port")
    struct HardeningTests {
        private static let token = ReferenceCodec(key: "secret").token

        /// NodePass's request, with lines of ours.
        private static func request(
            _ line: String = "GET / HTTP/1.1",
            token: String = token,
            _ more: String...
        ) -> String {
            ([line, "Host: none", "Authorization: Bearer \(token)"] + more + ["", ""]).joined(separator: "\r\n")
        }

        /// A server whose users go to a target nobody needs.
        private func withServer(
            tls: TLSMode? = nil,
            handshake: Duration = .seconds(5),
            log: LogLevel = .info,
            _ body: @Sendable (TunnelEngine, EngineLog, Int) async throws -> Void
        ) async throws {
            var environment = TunnelEnvironment.brisk
            environment.handshakeTimeout = handshake
            environment.reportInterval = .seconds(5)
            var spec = try TunnelSpec.server(.two, target: try deadPort(), tls: tls)
            spec.log = log
            try await withKeptLog(environment: environment) { [spec] engine, log in
                let port = await engine.start(spec)
                try await body(engine, log, port)
            }
        }

        /// Sends a request of its own connection and hears the whole answer.
        private func ask(_ text: String, port: Int, from host: String = "127.0.0.1") async throws -> String {
            let link = try await ReferenceLink.connect(port: port, from: host)
            try await link.write(text)
            let answer = String(buffer: try await link.readToEnd())
            await link.close()
            return answer
        }

        private func expect(
            _ code: Int,
            for text: String,
            port: Int,
            from host: String = "127.0.0.1",
            at location: Testing.SourceLocation = #_sourceLocation
        ) async throws {
            let answer = try await ask(text, port: port, from: host)
            #expect(answer.hasPrefix("HTTP/1.1 \(code) "), sourceLocation: location)
        }

        // MARK: Nobody is connected

        @Test("bytes that are no HTTP are closed without a word")
        func garbage() async throws {
            try await withServer { engine, _, port in
                for first in [0, 2, 0x16, 0xff] as [UInt8] {
                    let link = try await ReferenceLink.connect(port: port)
                    try await link.write(ByteBuffer(bytes: [first] + Array(repeating: 7, count: 100)))
                    #expect(try await link.readToEnd().readableBytes == 0)
                    await link.close()
                }
                #expect(engine.snapshot()["00000001"]?.rejected == 4)
                #expect(engine.snapshot()["00000001"]?.phase == .connecting)
            }
        }

        @Test(
            "half a request, or nothing at all, is held for the handshake's time only",
            arguments: ["", "GET / HT", "Z"]
        )
        func slowness(_ text: String) async throws {
            try await withServer(handshake: .milliseconds(300)) { engine, log, port in
                let start = ContinuousClock.now
                let link = try await ReferenceLink.connect(port: port)
                if !text.isEmpty { try await link.write(text) }
                #expect(try await link.readToEnd().readableBytes == 0)
                #expect(ContinuousClock.now - start >= .milliseconds(250))
                await link.close()
                try await log.line("no handshake or link arrived in time", of: "00000001")
                #expect(engine.snapshot()["00000001"]?.rejected == 1)
            }
        }

        @Test("a head that does not end is answered, not collected")
        func longHead() async throws {
            try await withServer { _, _, port in
                let endless = "GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 9000)
                try await expect(400, for: endless, port: port)
                try await expect(400, for: "GET nowhere\r\n\r\n", port: port)
            }
        }

        @Test("wrong requests get NodePass's answers")
        func refusals() async throws {
            try await withServer { engine, log, port in
                let cases = [
                    (Self.request("HEAD / HTTP/1.1"), 405, "Method Not Allowed\n"),
                    (Self.request("POST /x HTTP/1.1"), 405, "Method Not Allowed\n"),
                    (Self.request("GET /x HTTP/1.1"), 404, "Not Found\n"),
                    (Self.request(token: Self.token.uppercased()), 401, "Unauthorized\n"),
                    (Self.request(token: ""), 401, "Unauthorized\n"),
                    ("GET / HTTP/1.1\r\n\r\n", 401, "Unauthorized\n"),
                ]
                for (request, code, body) in cases {
                    let answer = try await ask(request, port: port)
                    #expect(answer.hasPrefix("HTTP/1.1 \(code) "))
                    #expect(answer.hasSuffix("\r\n\r\n" + body))
                    #expect(answer.contains("Connection: close\r\n"))
                    #expect(answer.contains("Content-Length: \(body.utf8.count)\r\n"))
                }
                let server = try await engine.wait("00000001", for: "the reason") { $0.reason == .authFailed }
                #expect(server.phase == .connecting)
                #expect(server.rejected == cases.count)
                let refusal = "Unauthorized: a client has another key"
                #expect(try await log.lines().contains { $0.message.contains(refusal) })
            }
        }

        @Test("an address that failed ten times is refused with the right key too, others are not")
        func throttle() async throws {
            try await withServer { _, _, port in
                for _ in 0..<TunnelLimits.handshakeFailures {
                    try await expect(401, for: Self.request(token: "guess"), port: port, from: "127.0.0.7")
                }
                try await expect(429, for: Self.request(token: "guess"), port: port, from: "127.0.0.7")
                try await expect(429, for: Self.request(), port: port, from: "127.0.0.7")
                try await expect(200, for: Self.request(), port: port, from: "127.0.0.8")
            }
        }

        @Test("bytes sent after an answer are discarded, and the connection is closed within a second")
        func bytesAfterAnswer() async throws {
            try await withServer { engine, _, port in
                let sent = 64 * 1024 * 1024
                let before = try Self.residentBytes()
                let strangers = try await withThrowingTaskGroup(of: ReferenceLink.self) { group in
                    for _ in 0..<4 {
                        group.addTask {
                            let link = try await ReferenceLink.connect(port: port)
                            try await link.write(Self.request("GET /nothing HTTP/1.1"))
                            // Fails when the server closes first, which is what it is to do.
                            try? await link.write(ByteBuffer(repeating: 0, count: sent))
                            return link
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                // Our own side of the connections holds what it has not sent.
                #expect(try Self.residentBytes() - before < 5 * sent)
                let start = ContinuousClock.now
                for link in strangers {
                    #expect(String(buffer: try await link.readToEnd()).hasPrefix("HTTP/1.1 404 "))
                    await link.close()
                }
                #expect(ContinuousClock.now - start < .seconds(2))
                try await engine.wait("00000001", for: "four refusals") { $0.rejected == 4 }
            }
        }

        private static func residentBytes() throws -> Int {
            let status = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
            return (Int(status[1]) ?? 0) * 4096
        }

        // MARK: Somebody is connected

        @Test("a second client gets 409 and the first one's users notice nothing", arguments: TwoEnded.ways)
        func secondClient(_ way: TunnelWay) async throws {
            let target = try await EchoServer.start()
            var made = try TwoEnds(way, to: target.port)
            made.server.handshake = .compatible
            let ends = made
            try await withTwoEnds(ends) { engine, _ in
                let since = engine.snapshot().mapValues(\.readySince)
                let user = try await TestClient.connect(port: ends.port)
                #expect(try await user.echo("before") == "before")
                let port = Int(ends.server.tunnel.port)
                for host in ["127.0.0.1", "127.0.0.3"] {
                    let answer = try await ask(Self.request(), port: port, from: host)
                    #expect(answer.hasPrefix("HTTP/1.1 409 Conflict\r\n"))
                    #expect(answer.hasSuffix("in use by another client (127.0.0.1).\n"))
                    try await expect(401, for: Self.request(token: "guess"), port: port, from: host)
                    try await expect(409, for: Self.request(token: Self.token, "NodePass-Client: me"), port: port)
                }
                #expect(try await user.echo("after") == "after")
                #expect(engine.snapshot().mapValues(\.readySince) == since)
                try await user.close()
            }
        }

        @Test("a client that comes back takes its ghost's place at once")
        func ghost() async throws {
            try await withServer { engine, log, port in
                let mine = Self.request(token: Self.token, "NodePass-Client: one")
                try await expect(200, for: mine, port: port)
                let start = ContinuousClock.now
                // From the client's address it might be taken for a link if it did not come at once.
                try await expect(200, for: mine, port: port, from: "127.0.0.12")
                #expect(ContinuousClock.now - start < .milliseconds(600))
                try await log.line("opened no link", of: "00000001")
            }
        }

        @Test("a ghost that does not answer makes way for another client, and only then")
        func silentGhost() async throws {
            try await withServer { _, log, port in
                let ghost = try await ReferencePeer.client(port: port, key: "secret", manners: .silentOnControl)
                try await ghost.controlUp()
                // That of the beginning; from here on each is a question.
                _ = try await ghost.nextSignal("ping")
                // Somebody asks for most of the time a ghost has, and is turned away while it still answers.
                let start = ContinuousClock.now
                while ContinuousClock.now - start < .milliseconds(500) {
                    async let answered: Void = expect(409, for: Self.request(), port: port, from: "127.0.0.12")
                    _ = try await ghost.nextSignal("ping")
                    try ghost.send(.pong)
                    try await answered
                }
                let silence = ContinuousClock.now
                try await expect(200, for: Self.request(), port: port, from: "127.0.0.12")
                #expect(ContinuousClock.now - silence >= .milliseconds(600))
                try await log.line("another takes its place", of: "00000001")
                try await ghost.controlDown()
                await ghost.stop()
            }
        }

        @Test(
            "two clients that stand by while a ghost is probed: one takes over, the other hears 409, users are served"
        )
        func twoStandbys() async throws {
            try await withServer(log: .debug) { engine, log, port in
                let ghost = try await ReferencePeer.client(port: port, key: "secret", manners: .silentOnControl)
                try await ghost.controlUp()
                async let first = ask(
                    Self.request(token: Self.token, "NodePass-Client: one"),
                    port: port,
                    from: "127.0.0.12"
                )
                async let second = ask(
                    Self.request(token: Self.token, "NodePass-Client: two"),
                    port: port,
                    from: "127.0.0.13"
                )
                let codes = try await [first, second].map { $0.prefix(12) }
                #expect(codes.sorted() == ["HTTP/1.1 200", "HTTP/1.1 409"])
                let again = codes[0].hasSuffix("200") ? ("one", "127.0.0.12") : ("two", "127.0.0.13")
                // The one that has it is the one that may come back, and exactly one session is left to do so.
                try await expect(
                    200,
                    for: Self.request(token: Self.token, "NodePass-Client: \(again.0)"),
                    port: port,
                    from: again.1
                )
                #expect(try await log.lines().count { $0.message.hasPrefix("Sending tunnel config") } == 3)
                try await ghost.controlDown()
                await ghost.stop()
            }
        }

        @Test("a client that comes back during a standby's probe keeps its tunnel")
        func backDuringProbe() async throws {
            try await withServer(log: .debug) { _, log, port in
                let mine = Self.request(token: Self.token, "NodePass-Client: one")
                try await expect(200, for: mine, port: port)
                let standby = Self.request(token: Self.token, "NodePass-Client: two")
                async let refused = ask(standby, port: port, from: "127.0.0.13")
                // The probe of a session without a control link takes as long as that of one that is silent.
                try await log.line("asking whether the present client is alive", of: "00000001")
                try await expect(200, for: mine, port: port, from: "127.0.0.12")
                #expect(try await refused.hasPrefix("HTTP/1.1 409 "))
                try await expect(200, for: mine, port: port, from: "127.0.0.14")
                #expect(try await !log.lines().contains { $0.message.contains("another takes its place") })
                // A client that refuses this end's certificate does the same again and again.
                try await log.line("the client took the terms and opened no link", of: "00000001")
            }
        }

        @Test("a second client stands by, says so once, and takes over within a second of the first one's end")
        func hotStandby() async throws {
            let target = try await EchoServer.start()
            let ends = try TwoEnds(.reverse, to: target.port)
            let standby = "0000000c"
            try await withTwoEnds(ends) { engine, log in
                await engine.run(standby, spec: ends.client, generation: 0, releaseFirst: false)
                try await engine.wait(standby, for: "standing by") { $0.reason == .standby && $0.phase == .connecting }
                for round in 1...3 {
                    let (present, waiting) =
                        round.isMultiple(of: 2) ? (standby, TwoEnds.clientID) : (TwoEnds.clientID, standby)
                    #expect(try await TestClient.echo("before", port: ends.port) == "before")
                    let start = ContinuousClock.now
                    await engine.stop(present)
                    #expect(try await TestClient.echo("after", port: ends.port) == "after")
                    #expect(ContinuousClock.now - start < .seconds(1))
                    try await engine.ready(waiting)
                    await engine.run(present, spec: ends.client, generation: round, releaseFirst: false)
                    try await engine.wait(present, for: "standing by") { $0.reason == .standby }
                    #expect(engine.snapshot()[waiting]?.phase == .ready)
                }
                #expect(engine.snapshot()[TwoEnds.serverID]?.rejected == 0)
                #expect(try await log.lines().count { $0.id == standby && $0.message.hasPrefix("Standing by") } == 2)
            }
        }

        @Test("a link without proof gets no id", arguments: [nil, .selfSigned] as [TLSMode?])
        func proof(_ tls: TLSMode?) async throws {
            let target = try await EchoServer.start()
            let ends = try TwoEnds(.reverse, to: target.port, tls: tls)
            try await withTwoEnds(ends) { engine, log in
                let port = Int(ends.server.tunnel.port)
                let stranger = try await ReferencePeer.stranger(port: port, tls: tls != nil)
                try await stranger.write(ByteBuffer(bytes: [LinkProof.version] + Array(repeating: 0, count: 24)))
                #expect(try await stranger.readToEnd().readableBytes == 0)
                try await log.line("Link without proof of the tunnel key from 127.0.0.1 closed", of: TwoEnds.serverID)
                #expect(engine.snapshot()[TwoEnds.serverID]?.rejected == 1)
                #expect(try await TestClient.echo("hi", port: ends.port) == "hi")
                #expect(engine.snapshot().values.allSatisfy { $0.phase == .ready })
            }
        }

        @Test("a proof is good for one link")
        func replay() async throws {
            try await withServer { engine, _, port in
                let names = SessionExtension.allCases.map(\.rawValue).joined(separator: ", ")
                let extensions = "NodePass-Extensions: \(names)"
                let answer = try await ask(Self.request(token: Self.token, extensions), port: port)
                let body = try #require(answer.firstRange(of: "\r\n\r\n").map { Array(answer[$0.upperBound...].utf8) })
                let terms = try HandshakeTerms(body: body)
                #expect(terms.extensions == Set(SessionExtension.allCases))
                let proof = LinkProof(number: 1, secret: SessionSecret(tunnelKey: "secret", nonce: terms.nonce))
                let control = try await ReferenceLink.connect(port: port, from: "127.0.0.9")
                try await control.write(ByteBuffer(bytes: proof.bytes))
                #expect(try await control.read(4) == ByteBuffer(integer: UInt32(0)))
                let replayed = try await ReferenceLink.connect(port: port)
                try await replayed.write(ByteBuffer(bytes: proof.bytes))
                #expect(try await replayed.readToEnd().readableBytes == 0)
                #expect(engine.snapshot()["00000001"]?.rejected == 1)
                // A line that the peer has not sealed ends the session.
                try await control.write("CEcCEREdHAtBSEcEGgsEUBg=\n")
                try await engine.wait("00000001", for: "the end") { $0.reason == .authFailed }
                await control.close()
                await replayed.close()
            }
        }

        @Test("a TLS link that never finishes its hello is closed after the handshake's time")
        func slowTLS() async throws {
            var environment = TunnelEnvironment.brisk
            environment.handshakeTimeout = .milliseconds(500)
            let ends = try TwoEnds(.reverse, to: try deadPort(), tls: .selfSigned)
            try await withTwoEnds(ends, environment: environment) { engine, _ in
                let link = try await ReferenceLink.connect(port: Int(ends.server.tunnel.port))
                try await link.write(ByteBuffer(bytes: [0x16, 3, 1]))
                // Less than what `readToEnd` waits before it gives up.
                #expect(try await link.readToEnd().readableBytes == 0)
                await link.close()
                #expect(engine.snapshot()[TwoEnds.serverID]?.phase == .ready)
            }
        }

        @Test("beside a NodePass client, strangers from elsewhere get no id")
        func elsewhere() async throws {
            try await withServer(handshake: .milliseconds(500)) { _, _, port in
                let peer = try await ReferencePeer.client(port: port, key: "secret")
                try await peer.controlUp()
                let stranger = try await ReferenceLink.connect(port: port, from: "127.0.0.11")
                #expect(try await stranger.readToEnd().readableBytes == 0)
                await stranger.close()
                try await peer.links(atLeast: 4)
                await peer.stop()
            }
        }

        @Test("a NodePass client that comes back is taken in, whether or not the server has noticed its loss")
        func returningReference() async throws {
            try await withServer { engine, _, port in
                for _ in 0..<3 {
                    let peer = try await returning(to: port)
                    try await peer.controlUp()
                    try await peer.links(atLeast: 4)
                    try await engine.ready("00000001")
                    await peer.stop()
                }
            }
        }

        /// A client that asks again when its request was taken for a link, which ends the old session.
        private func returning(to port: Int) async throws -> ReferencePeer {
            for _ in 0..<5 {
                if let peer = try? await ReferencePeer.client(port: port, key: "secret") { return peer }
            }
            return try await ReferencePeer.client(port: port, key: "secret")
        }

        @Test("no log line, status or message holds the key", arguments: TwoEnded.ways)
        func secrecy(_ way: TunnelWay) async throws {
            let key = "k3y-that-must-stay-hidden"
            let target = try await EchoServer.start()
            let ends = try TwoEnds(way, to: target.port, tls: .selfSigned, key: key)
            try await withTwoEnds(ends) { engine, log in
                #expect(try await TestClient.echo("hi", port: ends.port) == "hi")
                let port = Int(ends.server.tunnel.port)
                try await expect(401, for: Self.request(token: key), port: port)
                try await expect(404, for: Self.request("GET /\(key) HTTP/1.1"), port: port)
                await engine.stop(ends.exitID)
                try await engine.wait(ends.entryID, for: "the loss") { $0.phase != .ready }
                await ends.run(on: engine, generation: 1)
                try await ends.ready(on: engine)
                #expect(try await log.lines().count > 10)
                #expect(try await Set(log.lines().map(\.id)) == [TwoEnds.serverID, TwoEnds.clientID])
                let shown = try await log.lines().map(\.message) + engine.snapshot().values.map { "\($0)" }
                for secret in [key, ReferenceCodec(key: key).token] {
                    #expect(!shown.contains { $0.contains(secret) })
                }
            }
        }
    }
}
