import NIOCore
import NIOEmbedded
import TestSupport
import Testing

@Suite("The reference peer's codec")
struct ReferenceCodecTests {
    @Test("tokens are the captured ones", arguments: ReferenceVectors.tokens)
    func token(_ vector: (key: String, token: String)) {
        #expect(ReferenceCodec(key: vector.key).token == vector.token)
    }

    @Test("lines are the captured ones, and read back", arguments: ReferenceVectors.lines)
    func line(_ vector: (key: String, signal: ReferenceSignal, json: String, line: String)) {
        let codec = ReferenceCodec(key: vector.key)
        #expect(vector.signal.json == vector.json)
        #expect(codec.line(vector.json) == vector.line)
        #expect(codec.signal(vector.line.utf8.dropLast()) == vector.signal)
    }

    @Test("unknown keys are ignored, and what is no signal is none")
    func tolerance() {
        let codec = ReferenceCodec(key: "secret")
        let extended = codec.line(#"{"action":"ping","ext":[1,{"a":null}]}"#)
        #expect(codec.signal(extended.utf8.dropLast()) == .ping)
        for json in ["", "[]", "{}", #"{"action":1}"#, #"{"action":"tcp","id":7}"#] {
            #expect(codec.signal(codec.line(json).utf8.dropLast()) == nil)
        }
        #expect(codec.signal("not base64 at all!".utf8) == nil)
    }

    @Test("a fingerprint is the digest in upper-case pairs")
    func fingerprint() {
        let digest = "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55"
        #expect(referenceFingerprint(ofDER: []) == "sha256:\(digest)")
    }

    @Test("the request is Go's, and requests are judged in Go's order")
    func handshake() {
        let token = ReferenceCodec(key: "secret").token
        let request = ReferenceHandshake.request(token: token, host: "none")
        #expect(request.utf8.count == 173)
        #expect(request.hasPrefix("GET / HTTP/1.1\r\nHost: none\r\nUser-Agent: Go-http-client/1.1\r\nAuthorization: B"))
        let cases = [
            ("GET / ", "GET / ", 200), ("GET / ", "GET /?a=b ", 200), ("GET / ", "HEAD /x ", 405),
            ("GET / ", "GET /x ", 404), ("Bearer", "bearer", 401), ("Bearer ", "Bearer  ", 401),
            (token, token.uppercased(), 401), ("Authorization", "authorization", 200), ("Authorization", "X", 401),
        ]
        for (old, new, status) in cases {
            #expect(ReferenceHandshake.judge(request.replacing(old, with: new), token: token) == status, "\(new)")
        }
    }

    @Test("a reply holds the terms, and any other status is a refusal")
    func reply() throws {
        let terms = ReferenceTerms(flow: "-", max: 8, tls: "0", type: "0")
        let reply = ReferenceHandshake.reply(200, terms: terms)
        #expect(reply.hasSuffix("Content-Length: 42\r\n\r\n{\"flow\":\"-\",\"max\":8,\"tls\":\"0\",\"type\":\"0\"}\n"))
        #expect(try ReferenceHandshake.terms(reply) == terms)
        let refusal = ReferenceHandshake.reply(401, terms: terms)
        #expect(refusal.hasSuffix("\r\n\r\nUnauthorized\n"))
        #expect(throws: ReferencePeerError.refused(status: 401, reply: refusal)) {
            try ReferenceHandshake.terms(refusal)
        }
    }

    @Test("the habit of single bytes writes and flushes each")
    func singleBytes() throws {
        let channel = EmbeddedChannel(handler: SingleByteHandler())
        try channel.writeOutbound(ByteBuffer(string: "abc"))
        try channel.writeOutbound(ByteBuffer())
        for text in ["a", "b", "c", ""] {
            #expect(try channel.readOutbound(as: ByteBuffer.self) == ByteBuffer(string: text))
        }
    }
}

@Suite("Two reference peers", .timeLimit(.minutes(1)))
struct ReferencePeerTests {
    @Test("shake hands, agree on ids, and have one control connection", arguments: [false, true])
    func ids(_ isSecured: Bool) async throws {
        try await withPeers(tls: isSecured ? .memory : .off) { server, client in
            let expected = ReferenceHandshake.request(token: ReferenceCodec(key: key).token, host: "none")
            #expect(try await server.handshaken() == expected)
            #expect(client.terms == ReferenceTerms(flow: "-", max: 16, tls: isSecured ? "1" : "0", type: "0"))
            try await client.controlUp()
            try await server.controlUp()
            let dialled = try await client.links(atLeast: 4)
            let accepted = try await server.links(atLeast: 4)
            #expect(Set(dialled.map(\.id)) == Set(accepted.map(\.id)))
            #expect(Set(dialled.map(\.id)).count == 4)
            #expect(dialled.allSatisfy { $0.id.utf8.count == 8 && $0.id != "00000000" })
            #expect(dialled.allSatisfy { ($0.fingerprint != nil) == isSecured })
        }
    }

    @Test("ping at once and answer, and the script reads those only if it asks")
    func pings() async throws {
        try await withPeers { server, client in
            for peer in [server, client] {
                #expect(try await peer.nextSignal("ping") == .ping)
                #expect(try await peer.nextSignal("pong") == .pong)
            }
            try server.send(.ping)
            try server.send(json: #"{"action":"x-more","list":[]}"#)
            #expect(try await client.nextSignal() == ReferenceSignal("x-more"))
            try client.send(.flush)
            #expect(try await server.nextSignal() == .flush)
        }
    }

    @Test("pings go on")
    func pulse() async throws {
        try await withPeers(report: .milliseconds(10)) { server, client in
            for _ in 0..<5 {
                _ = try await client.nextSignal("ping")
                _ = try await server.nextSignal("pong")
            }
        }
    }

    @Test("carry a signalled connection with half-close", arguments: [false, true])
    func link(_ isSecured: Bool) async throws {
        try await withPeers(tls: isSecured ? .memory : .off) { server, client in
            try await client.controlUp()
            try await server.controlUp()
            let near = try await server.takeLink()
            let signal = ReferenceSignal("tcp", remote: "192.0.2.10:54321", id: near.id)
            try server.send(signal)
            #expect(try await client.nextSignal() == signal)
            let far = try await client.claim(id: near.id)
            try await near.write("question")
            #expect(try await far.readText(8) == "question")
            try await near.endOutput()
            #expect(try await far.readToEnd().readableBytes == 0)
            try await far.write(ByteBuffer(repeating: 7, count: 1_000_000))
            try await far.endOutput()
            #expect(try await near.readToEnd() == ByteBuffer(repeating: 7, count: 1_000_000))
            // The pool is filled again.
            try await server.links(atLeast: 4)
        }
    }

    @Test("a full close ends both directions", arguments: [false, true])
    func close(_ isSecured: Bool) async throws {
        try await withPeers(tls: isSecured ? .memory : .off) { server, client in
            let near = try await server.takeLink()
            let far = try await client.claim(id: near.id)
            try await near.write("last words")
            await near.close()
            #expect(String(buffer: try await far.readToEnd()) == "last words")
            #expect(far.hasEnded)
        }
    }

    @Test("a full pool takes no more links")
    func full() async throws {
        try await withPeers(max: 2) { server, client in
            try await server.links(atLeast: 2)
            try await client.links(atLeast: 2)
            try await client.dialFailures(atLeast: 1)
            #expect(try await server.links(atLeast: 2).count == 2)
        }
    }

    @Test(
        "verify both ways",
        arguments: [([], []), (.v114, .v114.subtracting(.diesOfCollision))]
            as [(ReferencePeer.Manners, ReferencePeer.Manners)]
    )
    func verify(_ server: ReferencePeer.Manners, _ client: ReferencePeer.Manners) async throws {
        try await withPeers(tls: .memory, server: server, client: client) { server, client in
            try await server.controlUp()
            let named = try await server.sendVerify()
            let other = try #require(try await client.links(atLeast: 4).first { $0.id != named.id })
            try await client.sendVerify(of: client.claim(id: other.id))
            try await client.acceptVerify()
            try await server.acceptVerify()
        }
    }

    @Test("tls 2 checks the server's name and trusts whom it is told to")
    func files() async throws {
        let directory = try TemporaryDirectory()
        let certificate = try directory.write(ReferenceVectors.certificate, to: "server.crt")
        let key = try directory.write(ReferenceVectors.privateKey, to: "server.key")
        let tls = ReferencePeer.ServerTLS.files(certificate: certificate, key: key)
        try await withPeers(tls: tls, trust: certificate, name: "tunnel.test") { server, client in
            #expect(client.terms?.tls == "2")
            #expect(try await server.handshaken().contains("Host: tunnel.test\r\n"))
            try await client.controlUp()
            try await client.sendVerify()
            try await server.acceptVerify()
        }
        try await withPeers(tls: tls, trust: certificate, name: "other.test") { _, client in
            try await client.dialFailures(atLeast: 1)
        }
    }

    @Test("stop ends every connection, and a restarted server takes the same port")
    func restart() async throws {
        try await withPeers { server, client in
            let links = try await client.links(atLeast: 4)
            try await client.controlUp()
            await server.stop()
            try await client.controlDown()
            for link in links { #expect(try await link.readToEnd().readableBytes == 0) }
            let again = try await ReferencePeer.server(port: server.port, key: key)
            let other = try await ReferencePeer.client(port: server.port, key: key)
            try await other.controlUp()
            await other.stop()
            await again.stop()
        }
    }

    @Test("a wait that is in vain ends with what was waited for")
    func timeout() async throws {
        let awaited = Awaited(0)
        await #expect(throws: AwaitedTimeout.self) {
            try await awaited.wait(for: "a one", limit: .milliseconds(1)) { $0 == 1 ? true : nil }
        }
    }
}

let key = "secret"

/// Runs a server and a client of it for the length of a closure.
func withPeers(
    max: Int = 16,
    tls: ReferencePeer.ServerTLS = .off,
    trust: String? = nil,
    name: String? = nil,
    server serverManners: ReferencePeer.Manners = [],
    client clientManners: ReferencePeer.Manners = [],
    report: Duration = .seconds(5),
    pause: Duration = .milliseconds(20),
    _ body: (ReferencePeer, ReferencePeer) async throws -> Void
) async throws {
    let server = try await ReferencePeer.server(
        key: key,
        max: max,
        tls: tls,
        manners: serverManners,
        report: report,
        pause: pause
    )
    let client = try await ReferencePeer.client(
        port: server.port,
        key: key,
        trust: trust,
        serverName: name,
        manners: clientManners,
        report: report
    )
    do {
        try await body(server, client)
    } catch {
        await client.stop()
        await server.stop()
        throw error
    }
    await client.stop()
    await server.stop()
}
