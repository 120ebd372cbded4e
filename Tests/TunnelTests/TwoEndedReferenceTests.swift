import Config
import FoundationEssentials
import NIOCore
import Testing

@testable import TestSupport
@testable import Tunnel

/// One of ours and a scripted NodePass, which may be either end and whichever way users come.
private struct Pairing: CustomTestStringConvertible {
    let peerIsServer: Bool
    let flow: TunnelFlow
    var isSecured = false

    static let all = [true, false].flatMap { peerIsServer in
        [TunnelFlow.reverse, .forward].map { Pairing(peerIsServer: peerIsServer, flow: $0) }
    }
    static let secured = all.map { Pairing(peerIsServer: $0.peerIsServer, flow: $0.flow, isSecured: true) }

    var peerIsEntry: Bool { peerIsServer == (flow == .reverse) }
    var testDescription: String {
        "\(peerIsServer ? "server" : "client") of \(flow)\(isSecured ? ", tls 1" : "")"
    }
}

/// What a test of a pairing works with.
private struct Meeting {
    let engine: TunnelEngine
    let log: EngineLog
    let peer: ReferencePeer
    /// Where users come in; the peer's entry or ours.
    let port: Int
    /// Where our server, if it is ours, meets its clients.
    let tunnelPort: Int

    var status: TunnelStatus? { engine.snapshot()[id] }
    let id = "00000001"

    /// Does what NodePass does once control is up.
    func verify() async throws {
        try await peer.controlUp()
        try await peer.acceptVerify()
        try await peer.sendVerify()
    }

    /// A user gets his bytes back.
    func serves(_ text: String = "hello") async throws {
        #expect(try await TestClient.echo(text, port: port) == text)
    }

    /// Waits for a step of our tunnel's life that gave this reason.
    func step(_ reason: TunnelReason) async throws -> PhaseTransition {
        let status = try await engine.wait(id, for: "\(reason)") { $0.transitions.contains { $0.reason == reason } }
        return try #require(status.transitions.last { $0.reason == reason })
    }
}

/// Runs the peer and ours, with an echo server behind them, for the length of a closure.
private func withReference(
    _ pairing: Pairing,
    manners: ReferencePeer.Manners = [],
    report: Duration = .milliseconds(500),
    target given: Int? = nil,
    _ body: @Sendable (Meeting) async throws -> Void
) async throws {
    let echo = try await EchoServer.start()
    let target = given ?? echo.port
    try await withKeptLog(environment: .reporting(every: report)) { engine, log in
        let port = try FreePorts.one()
        let peer: ReferencePeer
        var tunnelPort = 0
        if pairing.peerIsServer {
            peer = try await ReferencePeer.server(
                key: key,
                flow: pairing.flow.rawValue,
                tls: pairing.isSecured ? .memory : .off,
                manners: manners,
                report: report
            )
            _ = await engine.start(.dual(meeting: peer.port, target: pairing.peerIsEntry ? target : port))
        } else {
            let spec = try TunnelSpec.server(
                pairing.flow == .reverse ? .one : .two,
                target: pairing.peerIsEntry ? target : port,
                tls: pairing.isSecured ? .selfSigned : nil
            )
            _ = await engine.start(spec)
            tunnelPort = Int(spec.tunnel.port)
            peer = try await ReferencePeer.client(port: tunnelPort, key: key, manners: manners, report: report)
        }
        do {
            if pairing.peerIsEntry {
                let entry = try await peer.openEntry()
                async let _: Void = peer.serveUsers(of: entry)
                try await body(Meeting(engine: engine, log: log, peer: peer, port: entry.port, tunnelPort: tunnelPort))
            } else {
                async let _: Void = peer.serveTCP(target: target)
                try await body(Meeting(engine: engine, log: log, peer: peer, port: port, tunnelPort: tunnelPort))
            }
        } catch {
            await peer.stop()
            throw error
        }
        await peer.stop()
    }
    try await echo.stop()
}

extension TwoEnded {
    @Suite("Ours with a NodePass v1.14")
    struct ReferenceTests {
        @Test("users are served as between two of them", arguments: Pairing.all)
        private func plain(_ pairing: Pairing) async throws {
            try await withReference(pairing, manners: .v114) { meeting in
                try await meeting.peer.controlUp()
                try await meeting.engine.ready(meeting.id)
                for _ in 0..<5 { try await meeting.serves() }
                #expect(meeting.status?.rejected == 0)
            }
        }

        @Test("certificates are verified both ways, and users are served", arguments: Pairing.secured)
        private func secured(_ pairing: Pairing) async throws {
            try await withReference(pairing, manners: .v114) { meeting in
                try await meeting.verify()
                try await meeting.engine.ready(meeting.id)
                for _ in 0..<5 { try await meeting.serves() }
                try await meeting.log.line("TLS certificate fingerprint verified: sha256:", of: meeting.id)
                #expect(meeting.status?.rejected == 0)
                #expect(!meeting.peer.unreadSignals.contains { $0.action == "verify" })
            }
        }

        private static let habits: [ReferencePeer.Manners] = [
            .rebinds, .closesVerifyLinkFirst, .sendsBytesBeforeSignal, .neverHalfCloses, .keepsDeadLinks,
            .diesOfCollision,
            .givesIDsSlowly, .writesSingleBytes, .sendsGarbageLines,
        ]

        @Test("no single habit is in the way", arguments: habits, Pairing.all + Pairing.secured)
        private func habit(_ habit: ReferencePeer.Manners, _ pairing: Pairing) async throws {
            try await withReference(pairing, manners: habit) { meeting in
                if pairing.isSecured { try await meeting.verify() } else { try await meeting.peer.controlUp() }
                try await meeting.engine.ready(meeting.id)
                for _ in 0..<3 { try await meeting.serves("some words that take a while byte by byte") }
            }
        }

        @Test(
            "a user who ends first gets the answer from a peer that half-closes",
            arguments: Pairing.all + Pairing.secured
        )
        private func halfClose(_ pairing: Pairing) async throws {
            let target = try await EchoServer.start(.answerAfterEnd)
            try await withReference(pairing, target: target.port) { meeting in
                if pairing.isSecured { try await meeting.verify() } else { try await meeting.peer.controlUp() }
                try await meeting.engine.ready(meeting.id)
                let user = try await TestClient.connect(port: meeting.port)
                try await user.send(ByteBuffer(repeating: 1, count: 300_000))
                try await user.endOutput()
                #expect(String(buffer: try await user.hear()) == "got 300000")
            }
        }

        @Test("a user behind one that never does is let go", arguments: Pairing.all.filter { !$0.peerIsEntry })
        private func fullClose(_ pairing: Pairing) async throws {
            let target = try await EchoServer.start(.answerAfterEnd)
            try await withReference(pairing, manners: .neverHalfCloses, target: target.port) { meeting in
                try await meeting.engine.ready(meeting.id)
                let user = try await TestClient.connect(port: meeting.port)
                try await user.send("question")
                try await user.endOutput()
                #expect(try await user.hear().readableBytes == 0)
                try await meeting.engine.wait(meeting.id, for: "no connection") { $0.tcpConnections == 0 }
            }
        }

        @Test("datagrams are raw bytes on a link of their own", arguments: Pairing.all.filter { !$0.peerIsEntry })
        private func datagrams(_ pairing: Pairing) async throws {
            try await withReference(pairing) { meeting in
                try await meeting.engine.ready(meeting.id)
                let user = try await DatagramClient.connect(port: meeting.port)
                try await user.send(ByteBuffer(string: "dgram-1"))
                // The peer's exit serves TCP only, and takes every signal but this one.
                let signal = try await meeting.peer.nextSignal("udp")
                #expect(signal.remote == "127.0.0.1:\(user.channel.localAddress?.port ?? 0)")
                let link = try await meeting.peer.claim(id: try #require(signal.id))
                #expect(try await link.readText(7) == "dgram-1")
                try await link.write("answer")
                #expect(await user.hear(1) == [ByteBuffer(string: "answer")])
            }
        }

        // MARK: Links

        @Test("links that died idle are not given to users", arguments: Pairing.all.filter { !$0.peerIsEntry })
        private func deadLinks(_ pairing: Pairing) async throws {
            try await withReference(pairing) { meeting in
                try await meeting.engine.ready(meeting.id)
                for _ in 0..<4 { await (try meeting.peer.takeLink()).close() }
                // What comes after their ends, and is noticed, tells that they have been noticed too.
                try meeting.peer.sendRaw("x\n")
                try await meeting.engine.wait(meeting.id, for: "the line") { $0.rejected == 1 }
                for _ in 0..<5 { try await meeting.serves() }
            }
        }

        @Test("a flush closes the idle links, and the pool fills again", arguments: Pairing.all)
        private func flush(_ pairing: Pairing) async throws {
            try await withReference(pairing) { meeting in
                try await meeting.engine.ready(meeting.id)
                let links = try await meeting.peer.links(atLeast: 4)
                try await meeting.engine.wait(meeting.id, for: "as many links") { $0.poolIdle == links.count }
                try meeting.peer.send(.flush)
                for link in links { #expect(try await link.readToEnd().readableBytes == 0) }
                if meeting.peer.role == .server { try await meeting.peer.links(atLeast: 4) }
                #expect(meeting.status?.phase == .ready)
            }
        }

        @Test("a dial that is refused right after the handshake is tried again soon")
        func rebinding() async throws {
            let peer = try await ReferencePeer.server(key: key, manners: .rebinds, pause: .seconds(30))
            try await withKeptLog { engine, log in
                _ = await engine.start(.dual(meeting: peer.port, target: try deadPort()))
                try await log.line("Link not made", of: "00000001")
                peer.rebind()
                try await peer.controlUp()
                try await engine.ready("00000001")
                #expect(try await !log.lines().contains { $0.level == .error })
                await peer.stop()
            }
        }

        // MARK: Verification

        @Test(
            "the gate opens when the peer's verify comes, not at a tick",
            arguments: Pairing.secured.filter { !$0.peerIsEntry }
        )
        private func gate(_ pairing: Pairing) async throws {
            // Nothing that happens once in a report interval can help.
            try await withReference(pairing, report: .seconds(5)) { meeting in
                try await meeting.peer.controlUp()
                try await meeting.peer.acceptVerify()
                #expect(meeting.status?.phase != .ready)
                // A client's entry is bound when users can be served; a server's is bound before, and they wait.
                let early = pairing.peerIsServer ? nil : try await TestClient.connect(port: meeting.port)
                try await early?.send("early")
                let start = ContinuousClock.now
                try await meeting.peer.sendVerify()
                try await meeting.engine.ready(meeting.id)
                #expect(ContinuousClock.now - start < .seconds(1))
                if let early {
                    #expect(String(buffer: try await early.hear(5)) == "early")
                    #expect(ContinuousClock.now - start < .seconds(1))
                }
                try await meeting.serves()
            }
        }

        @Test("our verify names neither the oldest nor the newest link, which NodePass would pick")
        func verifyChoice() async throws {
            let environment = TunnelEnvironment.reporting(every: .milliseconds(200))
            try await withKeptLog(environment: environment) { engine, _ in
                let port = await engine.start(try .server(.two, target: try deadPort(), tls: .selfSigned))
                let peer = try await ReferencePeer.client(port: port, key: key, min: 0, report: .milliseconds(200))
                try await peer.controlUp()
                // The second ping comes when the first attempt, which takes what there is, has passed.
                _ = try await peer.nextSignal("ping")
                _ = try await peer.nextSignal("ping")
                for count in 1...3 {
                    peer.dial()
                    // Open or not: the third has the verify sent, which closes one of them.
                    try await peer.state.wait(for: "link \(count)") { $0.idle.count == count ? true : nil }
                }
                let signal = try await peer.nextSignal("verify")
                let links = peer.state.current.idle
                #expect(signal.id == links[1].id)
                #expect(signal.fp == links[1].fingerprint)
                // It is closed, and nobody uses it any more.
                #expect(try await links[1].readToEnd().readableBytes == 0)
                await peer.stop()
            }
        }

        @Test("a verify of the link that ours named is judged all the same", arguments: Pairing.secured)
        private func collision(_ pairing: Pairing) async throws {
            try await withReference(pairing) { meeting in
                try await meeting.peer.controlUp()
                let signal = try await meeting.peer.nextSignal("verify")
                let link = try await meeting.peer.claim(id: try #require(signal.id))
                try await meeting.peer.sendVerify(of: link)
                try await meeting.log.line("TLS certificate fingerprint verified", of: meeting.id)
                try await meeting.engine.ready(meeting.id)
                try await meeting.serves()
            }
        }

        @Test("a wrong fingerprint ends the session and says so", arguments: Pairing.secured)
        private func wrongFingerprint(_ pairing: Pairing) async throws {
            try await withReference(pairing, manners: .namesWrongFingerprint) { meeting in
                try await meeting.peer.controlUp()
                try await meeting.peer.sendVerify()
                let step = try await meeting.step(.tlsFingerprintMismatch)
                #expect(step.message.contains("sha256:00:00"))
                #expect(step.phase == (pairing.peerIsServer ? .backoff : .connecting))
                try await meeting.peer.controlDown()
            }
        }

        @Test("a verify without a fingerprint is no verify", arguments: Pairing.secured)
        private func noFingerprint(_ pairing: Pairing) async throws {
            try await withReference(pairing) { meeting in
                try await meeting.peer.controlUp()
                try meeting.peer.send(ReferenceSignal("verify", id: try await meeting.peer.takeLink().id))
                #expect(try await meeting.step(.tlsFingerprintMismatch).message.contains("no certificate fingerprint"))
            }
        }

        @Test("a v1.14 server with certificate files is served forward: the authority has vouched for it")
        func certificateFiles() async throws {
            let directory = try TemporaryDirectory()
            let authority = try TestAuthority()
            try authority.issue(to: ["tunnel.test"]).write(to: directory)
            var environment = TunnelEnvironment.brisk
            environment.certificateAuthorities = try directory.write(authority.pem, to: "authority.pem")
            let target = try await EchoServer.start()
            let peer = try await ReferencePeer.server(
                key: key,
                flow: "+",
                tls: .files(certificate: directory.file("server.crt"), key: directory.file("server.key")),
                manners: ReferencePeer.Manners.v114.union(.verifiesWithoutFingerprint)
            )
            let port = try FreePorts.one()
            try await withKeptLog(environment: environment) { engine, _ in
                var spec = TunnelSpec.dual(meeting: peer.port, target: port)
                spec.sni = "tunnel.test"
                _ = await engine.start(spec)
                async let _: Void = peer.serveTCP(target: target.port)
                try await engine.ready("00000001")
                #expect(try await TestClient.echo("before its verify", port: port) == "before its verify")
                try await peer.sendVerify()
                #expect(try await TestClient.echo("after its verify", port: port) == "after its verify")
                #expect(engine.snapshot()["00000001"]?.phase == .ready)
                // It would have died of ours.
                #expect(!peer.unreadSignals.contains { $0.action == "verify" })
                await peer.stop()
            }
        }

        // MARK: Tokens and control

        @Test("a client with another key is refused, and the server says why it waits")
        func wrongToken() async throws {
            try await withKeptLog { engine, log in
                let port = await engine.start(try .server(.two, target: try deadPort()))
                await #expect {
                    try await ReferencePeer.client(port: port, key: key, manners: .showsWrongToken)
                } throws: { error in
                    guard case .refused(401, _)? = error as? ReferencePeerError else { return false }
                    return true
                }
                let server = try await engine.wait("00000001", for: "the reason") { $0.reason == .authFailed }
                #expect(server.phase == .connecting)
                #expect(server.rejected == 1)
                let peer = try await ReferencePeer.client(port: port, key: key)
                try await engine.ready("00000001")
                await peer.stop()
            }
        }

        @Test("a server with another key is AuthFailed, and tried again")
        func wrongKey() async throws {
            let peer = try await ReferencePeer.server(key: "another")
            try await withKeptLog { engine, _ in
                let spec = TunnelSpec.dual(meeting: peer.port, target: try deadPort())
                _ = await engine.start(spec)
                let client = try await engine.wait("00000001", for: "AuthFailed") { $0.reason == .authFailed }
                #expect(client.phase == .backoff)
                #expect(client.nextRetry != nil)
                await peer.stop()
                let right = try await ReferencePeer.server(port: peer.port, key: key)
                try await engine.ready("00000001")
                await right.stop()
            }
        }

        @Test(
            "a peer that falls silent is given up after three report intervals, and met again",
            arguments: Pairing.all
        )
        private func silence(_ pairing: Pairing) async throws {
            let report = Duration.milliseconds(200)
            try await withReference(pairing, manners: .silentOnControl, report: report) { meeting in
                try await meeting.peer.controlUp()
                try await meeting.engine.ready(meeting.id)
                let step = try await meeting.step(.peerUnreachable)
                #expect(step.message.contains("silent"))
                let ready = try #require(meeting.status?.transitions.first { $0.phase == .ready })
                let silence = Duration.seconds(step.time.timeIntervalSince(ready.time))
                #expect(silence > report * 2)
                // Three intervals and what a busy machine takes.
                #expect(silence < report * 3 + .seconds(2))
                await meeting.peer.stop()
                let next =
                    pairing.peerIsServer
                    ? try await ReferencePeer.server(port: meeting.peer.port, key: key, report: report)
                    : try await ReferencePeer.client(port: meeting.tunnelPort, key: key, report: report)
                try await next.controlUp()
                try await meeting.engine.ready(meeting.id)
                await next.stop()
            }
        }

        @Test("lines that are no signals are skipped and counted", arguments: Pairing.all)
        private func garbage(_ pairing: Pairing) async throws {
            try await withReference(pairing, manners: .sendsGarbageLines) { meeting in
                try await meeting.engine.ready(meeting.id)
                // Two come before each ping.
                try await meeting.engine.wait(meeting.id, for: "a count") { $0.rejected >= 4 }
                try await meeting.log.line("Control line skipped", of: meeting.id)
                try await meeting.serves()
                #expect(meeting.status?.phase == .ready)
            }
        }

        @Test("nothing but garbage ends the session", arguments: Pairing.all)
        private func garbageOnly(_ pairing: Pairing) async throws {
            try await withReference(pairing, manners: .silentOnControl, report: .seconds(5)) { meeting in
                try await meeting.peer.controlUp()
                try await meeting.engine.ready(meeting.id)
                for _ in 0...TunnelLimits.badSignalLines { try meeting.peer.sendRaw("garbage\n") }
                #expect(try await meeting.step(.peerUnreachable).message.contains("garbage"))
                #expect(meeting.status?.rejected == TunnelLimits.badSignalLines + 1)
            }
        }

        @Test("a line without end is not collected", arguments: Pairing.all)
        private func longLine(_ pairing: Pairing) async throws {
            try await withReference(pairing, manners: .sendsLongLine, report: .seconds(5)) { meeting in
                let step = try await meeting.step(.peerUnreachable)
                #expect(step.message.contains("longer than \(TunnelLimits.signalLineBytes) bytes"))
                try await meeting.peer.controlDown()
            }
        }

        @Test(
            "a signal for a link that never comes is no harm, and later ones are served",
            arguments: Pairing.all.filter(\.peerIsEntry)
        )
        private func unknownLink(_ pairing: Pairing) async throws {
            try await withReference(pairing) { meeting in
                try await meeting.peer.controlUp()
                try meeting.peer.send(ReferenceSignal("tcp", remote: "127.0.0.1:1", id: "0badf00d"))
                try meeting.peer.send(json: #"{"action":"tcp","remote":"127.0.0.1:1","id":"no id"}"#)
                try meeting.peer.send(json: #"{"action":"x-later","extra":[1,2]}"#)
                try await meeting.serves()
                #expect(meeting.status?.phase == .ready)
            }
        }
    }
}
