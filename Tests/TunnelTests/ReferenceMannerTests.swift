import NIOCore
import TestSupport
import Testing

@Suite("The manners of a reference peer", .timeLimit(.minutes(1)))
struct ReferenceMannerTests {
    @Test("a rebinding server refuses dials for a while, then takes them")
    func rebinding() async throws {
        try await withPeers(server: .rebinds, pause: .seconds(30)) { server, client in
            try await client.dialFailures(atLeast: 1)
            server.rebind()
            try await client.links(atLeast: 4)
            try await server.links(atLeast: 4)
        }
    }

    @Test("it takes them by itself when its pause is over")
    func rebindingInTime() async throws {
        try await withPeers(server: .rebinds, pause: .milliseconds(10)) { server, _ in
            try await server.links(atLeast: 4)
        }
    }

    @Test("a verified link can have ended before the signal comes, and its fingerprint is still known")
    func verifyAfterEnd() async throws {
        try await withPeers(tls: .memory, server: .closesVerifyLinkFirst) { server, client in
            try await server.controlUp()
            let link = try await server.sendVerify()
            let signal = try await client.nextSignal("verify")
            let seen = try await client.claim(id: link.id)
            #expect(try await seen.readToEnd().readableBytes == 0)
            #expect(signal == ReferenceSignal("verify", id: link.id, fp: seen.fingerprint))
        }
    }

    @Test("otherwise a verified link stays open")
    func verifyWithoutEnd() async throws {
        try await withPeers(tls: .memory) { server, client in
            try await server.controlUp()
            let link = try await server.sendVerify()
            #expect(try await client.nextSignal("verify").id == link.id)
            try await link.write("open")
            #expect(try await client.claim(id: link.id).readText(4) == "open")
        }
    }

    @Test("an entry that sends bytes before the signal signals nothing for a silent user")
    func bytesBeforeSignal() async throws {
        try await withPeers(server: .sendsBytesBeforeSignal) { server, client in
            let entry = try await server.openEntry()
            async let _: Void = server.serveUsers(of: entry)
            try await server.controlUp()
            let silent = try await TestClient.connect(port: entry.port)
            let speaker = try await TestClient.connect(port: entry.port)
            try await speaker.send("first")
            let signal = try await client.nextSignal()
            #expect(signal.remote == "127.0.0.1:\(speaker.channel.localAddress?.port ?? 0)")
            let link = try await client.claim(id: signal.id ?? "")
            #expect(try await link.readText(5) == "first")
            try await silent.close()
        }
    }

    @Test("otherwise a silent user is signalled")
    func signalBeforeBytes() async throws {
        try await withPeers { server, client in
            let entry = try await server.openEntry()
            async let _: Void = server.serveUsers(of: entry)
            try await server.controlUp()
            let silent = try await TestClient.connect(port: entry.port)
            let port = silent.channel.localAddress?.port ?? 0
            #expect(try await client.nextSignal().remote == "127.0.0.1:\(port)")
            try await silent.close()
        }
    }

    @Test("users reach the target through both, half-close included", arguments: [false, true])
    func relays(_ isSecured: Bool) async throws {
        let target = try await EchoServer.start(.answerAfterEnd)
        try await withPeers(tls: isSecured ? .memory : .off) { server, client in
            let entry = try await server.openEntry()
            async let _: Void = server.serveUsers(of: entry)
            async let _: Void = client.serveTCP(target: target.port)
            try await server.controlUp()
            let user = try await TestClient.connect(port: entry.port)
            try await user.send(ByteBuffer(repeating: 1, count: 500_000))
            try await user.endOutput()
            #expect(String(buffer: try await user.receiveAll()) == "got 500000")
        }
    }

    @Test("a peer that never half-closes loses the answer to a user who does")
    func fullClose() async throws {
        let target = try await EchoServer.start(.answerAfterEnd)
        try await withPeers(client: .neverHalfCloses) { server, client in
            async let _: Void = client.serveTCP(target: target.port)
            try await server.controlUp()
            let link = try await server.takeLink()
            try server.send(ReferenceSignal("tcp", remote: "127.0.0.1:1", id: link.id))
            try await link.write("question")
            try await link.endOutput()
            #expect(try await link.readToEnd().readableBytes == 0)
        }
    }

    @Test("dead links are taken only by who keeps them")
    func deadLinks() async throws {
        try await withPeers(server: .keepsDeadLinks) { server, client in
            let oldest = try await server.links(atLeast: 1)[0]
            await (try client.claim(id: oldest.id)).close()
            #expect(try await oldest.readToEnd().readableBytes == 0)
            #expect(try await server.takeLink().id == oldest.id)
        }
        try await withPeers { server, client in
            let oldest = try await server.links(atLeast: 1)[0]
            await (try client.claim(id: oldest.id)).close()
            #expect(try await oldest.readToEnd().readableBytes == 0)
            #expect(try await server.takeLink().id != oldest.id)
        }
    }

    @Test("a collision of verifies is survived, or is the end", arguments: [false, true])
    func collision(_ isFatal: Bool) async throws {
        try await withPeers(tls: .memory, server: isFatal ? .diesOfCollision : []) { server, client in
            try await client.controlUp()
            let link = try await server.sendVerify()
            try await client.sendVerify(of: client.claim(id: link.id))
            guard isFatal else { return try await server.acceptVerify() }
            await #expect(throws: ReferencePeerError.fatal("both ends verify link \(link.id)")) {
                try await server.acceptVerify()
            }
            try await client.controlDown()
        }
    }

    @Test("a server with the faults of tls 2 names no fingerprint and dies of any")
    func brokenVerify() async throws {
        try await withPeers(tls: .memory, server: .verifiesWithoutFingerprint) { server, client in
            try await client.controlUp()
            try await server.sendVerify()
            try await client.sendVerify()
            await #expect(throws: ReferencePeerError.fatal("verify without id or fp")) {
                try await client.acceptVerify()
            }
            await #expect(throws: ReferencePeerError.fatal("any verify is one too many")) {
                try await server.acceptVerify()
            }
        }
    }

    @Test("a wrong fingerprint is fatal to the other side", arguments: [false, true])
    func wrongFingerprint(_ isServer: Bool) async throws {
        let manners = ReferencePeer.Manners.namesWrongFingerprint
        try await withPeers(tls: .memory, server: isServer ? manners : [], client: isServer ? [] : manners) {
            let (liar, victim) = isServer ? ($0, $1) : ($1, $0)
            try await liar.controlUp()
            try await liar.sendVerify()
            await #expect(throws: ReferencePeerError.fatal("verify names another certificate")) {
                try await victim.acceptVerify()
            }
            try await liar.controlDown()
        }
    }

    @Test("a peer that is silent on control neither pings nor answers")
    func silence() async throws {
        try await withPeers(client: .silentOnControl) { server, client in
            #expect(try await client.nextSignal("ping") == .ping)
            try await client.controlUp()
            try client.send(ReferenceSignal("x-first"))
            #expect(try await server.nextSignal() == ReferenceSignal("x-first"))
            #expect(server.unreadSignals.isEmpty)
        }
    }

    @Test("garbage comes before the ping, and is no harm")
    func garbage() async throws {
        try await withPeers(client: .sendsGarbageLines) { server, _ in
            try await server.unreadableLines(atLeast: 2)
            #expect(try await server.nextSignal() == ReferenceSignal("x-unknown"))
            #expect(try await server.nextSignal("ping") == .ping)
        }
    }

    @Test("an over-long line follows the first ping")
    func longLine() async throws {
        try await withPeers(client: .sendsLongLine) { server, _ in
            let signal = try await server.nextSignal()
            #expect(signal == ReferenceSignal("x-long"))
        }
    }

    @Test("a slow id arrives whole all the same", arguments: [false, true])
    func slowID(_ isSecured: Bool) async throws {
        let start = ContinuousClock.now
        try await withPeers(tls: isSecured ? .memory : .off, server: .givesIDsSlowly) { server, client in
            let ids = try await client.links(atLeast: 4).map(\.id)
            #expect(ContinuousClock.now - start >= .milliseconds(60))
            #expect(try await Set(server.links(atLeast: 4).map(\.id)) == Set(ids))
        }
    }

    @Test("single bytes make the same ids, signals and data", arguments: [false, true])
    func singleBytes(_ isSecured: Bool) async throws {
        let habit = ReferencePeer.Manners.writesSingleBytes
        try await withPeers(tls: isSecured ? .memory : .off, server: habit, client: habit) { server, client in
            try await server.controlUp()
            let near = try await server.takeLink()
            try server.send(ReferenceSignal("tcp", remote: "127.0.0.1:1", id: near.id))
            let far = try await client.claim(id: try #require(await client.nextSignal().id))
            try await near.write("in pieces")
            #expect(try await far.readText(9) == "in pieces")
        }
    }

    @Test("a wrong token is refused, and the server goes on waiting")
    func wrongToken() async throws {
        let server = try await ReferencePeer.server(key: key)
        await #expect {
            try await ReferencePeer.client(port: server.port, key: key, manners: .showsWrongToken)
        } throws: { error in
            guard case .refused(401, _)? = error as? ReferencePeerError else { return false }
            return true
        }
        let client = try await ReferencePeer.client(port: server.port, key: key)
        try await client.controlUp()
        await client.stop()
        await server.stop()
    }
}
