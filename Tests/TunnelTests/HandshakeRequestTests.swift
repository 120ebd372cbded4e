import NIOCore
import Testing

@testable import Tunnel

@Suite("The handshake's token and request")
struct HandshakeRequestTests {
    static let secretToken = "f9e66e179b6747ae54108f82f8ade8b3c25d76fd30afde6c395822c530196169"

    /// What NodePass v1.14's client sends with key `secret` and no `sni`, as captured.
    static let captured = """
        GET / HTTP/1.1\r
        Host: none\r
        User-Agent: Go-http-client/1.1\r
        Authorization: Bearer \(secretToken)\r
        Accept-Encoding: gzip\r
        \r

        """

    // MARK: Token

    static let tokens = [
        ("secret", secretToken),
        ("e68be2b4", "8940572756af096447802f92b4c843ac61de93b80af9d37a85ed994508656d7e"),
        ("a", "3acdaa86b3d73e8d18b7019d3f520000531a23db3b6dda7a94ad28db61a9008c"),
        ("pa ss", "948e2a8d6743845fbc6c418478273adb41795dcab0f3b76d026c27e521da5457"),
        ("密钥", "9cfdadd2b279a7fe32f8060cfdeebe268ba0f00107a7780cd62304e818bd7631"),
    ]

    @Test("a key makes the token that NodePass makes of it, and knows it again", arguments: tokens)
    func token(_ key: String, _ text: String) {
        let token = HandshakeToken(tunnelKey: key)
        #expect(token.text == text)
        #expect(token.matches(text))
    }

    @Test(
        "anything but the very token is refused",
        arguments: [
            "", secretToken.uppercased(), String(secretToken.dropLast()), secretToken + "0", secretToken + "\u{0}",
            " " + secretToken, "0" + secretToken.dropFirst(), secretToken.dropLast() + "8", "secret",
        ]
    )
    func foreignToken(_ text: String) {
        #expect(!HandshakeToken(tunnelKey: "secret").matches(text))
    }

    @Test("no key's token opens the door of another")
    func tokensDiffer() {
        for (key, _) in Self.tokens {
            let own = HandshakeToken(tunnelKey: key)
            #expect(Self.tokens.filter { own.matches($0.1) }.map(\.0) == [key])
        }
    }

    // MARK: Reading

    @Test("NodePass's own request is read: 173 bytes, no extensions, no client id")
    func capturedRequest() throws {
        #expect(Self.captured.utf8.count == 173)
        let request = try request(Self.captured)
        let token = Self.secretToken
        #expect(
            request
                == HandshakeRequest(method: "GET", path: "/", host: "none", token: token, extensions: [], clientID: nil)
        )
        #expect(request.problem(token: HandshakeToken(tunnelKey: "secret")) == nil)
        #expect(request.problem(token: HandshakeToken(tunnelKey: "Secret")) == .unauthorized)
    }

    @Test("a request that comes byte by byte is whole with its last byte and not before")
    func byteByByte() throws {
        let bytes = Array(Self.captured.utf8)
        for length in bytes.indices {
            #expect(HandshakeRequest.parse(bytes.prefix(length)) == .incomplete, "after \(length) bytes")
        }
        #expect(HandshakeRequest.parse(bytes) == .request(try request(Self.captured)))
        let withMore = bytes + Array("what follows is not the handshake's".utf8)
        #expect(HandshakeRequest.parse(withMore) == .request(try request(Self.captured)))
    }

    @Test("our own client's request names every extension and its id, and is read back")
    func ownRequest() throws {
        let token = HandshakeToken(tunnelKey: "secret")
        let text = HandshakeRequest.text(host: "tunnel.example", token: token, clientID: "00ff")
        let expected =
            "GET / HTTP/1.1\r\nHost: tunnel.example\r\nUser-Agent: nodepass\r\n"
            + "Authorization: Bearer \(Self.secretToken)\r\n"
            + "NodePass-Extensions: link-proof, sealed-signals, udp-frames, refuse, trim, certificate, half-close\r\n"
            + "NodePass-Client: 00ff\r\n\r\n"
        #expect(text == expected)
        let request = try request(text)
        #expect(request.extensions == Set(SessionExtension.allCases))
        #expect(request.clientID == "00ff")
        #expect(request.problem(token: token) == nil)
    }

    static let headers: [(String, Set<SessionExtension>, String?)] = [
        ("NodePass-Extensions: refuse", [.refuse], nil),
        ("nodepass-EXTENSIONS:udp-frames,trim", [.datagramFrames, .trim], nil),
        ("NodePass-Extensions: time-travel,\t refuse \t,, Refuse", [.refuse], nil),
        ("NodePass-Extensions:", [], nil),
        ("NodePass-Extensions: refuse\r\nNodePass-Extensions: trim", [.refuse], nil),
        ("NodePass-Client: 0123456789abcdef", [], "0123456789abcdef"),
        ("NodePass-Client: " + String(repeating: "c", count: 200), [], String(repeating: "c", count: 64)),
        ("no colon here\r\nNodePass-Client: x", [], "x"),
    ]

    @Test("our headers are read in any case and with blanks; names we do not know are no matter", arguments: headers)
    func header(_ line: String, _ extensions: Set<SessionExtension>, _ clientID: String?) throws {
        let request = try request("GET / HTTP/1.1\r\n\(line)\r\n\r\n")
        #expect(request.extensions == extensions)
        #expect(request.clientID == clientID)
    }

    static let authorizations: [(String, String?)] = [
        ("Authorization: Bearer abc", "abc"),
        ("authorization:Bearer abc  ", "abc"),
        ("Authorization: bearer abc", nil),
        ("Authorization: BEARER abc", nil),
        ("Authorization: Bearer", nil),
        ("Authorization: Bearer  abc", " abc"),
        ("Authorization: Basic abc", nil),
        ("Authorization: abc", nil),
        ("Authorization: Basic x\r\nAuthorization: Bearer abc", nil),
        ("X-Authorization: Bearer abc", nil),
    ]

    @Test("the token stands behind 'Bearer' and one space, exactly", arguments: authorizations)
    func authorization(_ line: String, _ token: String?) throws {
        #expect(try request("GET / HTTP/1.1\r\n\(line)\r\n\r\n").token == token)
    }

    // MARK: Refusing

    struct Check: Sendable, CustomTestStringConvertible {
        let method: String
        let target: String
        let token: String?
        let refusal: HandshakeRefusal?
        var testDescription: String { "\(method) \(target), \(token == secretToken ? "right" : "wrong") token" }
    }

    @Test(
        "the method is judged first, then the path without its query, then the token",
        arguments: [
            Check(method: "GET", target: "/", token: secretToken, refusal: nil),
            Check(method: "GET", target: "/?a=b/c?d", token: secretToken, refusal: nil),
            Check(method: "GET", target: "/?", token: secretToken, refusal: nil),
            Check(method: "GET", target: "/", token: nil, refusal: .unauthorized),
            Check(method: "GET", target: "/", token: "", refusal: .unauthorized),
            Check(method: "GET", target: "/", token: secretToken.uppercased(), refusal: .unauthorized),
            Check(method: "GET", target: "/x", token: secretToken, refusal: .notFound),
            Check(method: "GET", target: "//", token: secretToken, refusal: .notFound),
            Check(method: "GET", target: "/x", token: nil, refusal: .notFound),
            Check(method: "HEAD", target: "/", token: secretToken, refusal: .methodNotAllowed),
            Check(method: "POST", target: "/", token: nil, refusal: .methodNotAllowed),
            Check(method: "POST", target: "/x", token: nil, refusal: .methodNotAllowed),
            Check(method: "get", target: "/", token: secretToken, refusal: .methodNotAllowed),
        ]
    )
    func order(_ check: Check) throws {
        let header = check.token.map { "Authorization: Bearer \($0)\r\n" } ?? ""
        let request = try request("\(check.method) \(check.target) HTTP/1.1\r\n\(header)\r\n")
        #expect(request.problem(token: HandshakeToken(tunnelKey: "secret")) == check.refusal)
    }

    @Test(
        "what is no HTTP request is malformed",
        arguments: [
            "\r\n\r\n", "GET\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
            " / HTTP/1.1\r\n\r\n", "GET x HTTP/1.1\r\n\r\n", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n",
        ]
    )
    func malformed(_ text: String) throws {
        let why = try #require(problem(Array(text.utf8)))
        #expect(why.hasSuffix("is no HTTP/1.1 request line"))
    }

    @Test(
        "bytes that are no text are known at once, without waiting for the rest",
        arguments: [[0], [0x16, 3, 1], [2, 0, 0, 0], [0, 0, 0, 0], Array("GET /\u{1b}".utf8), [0x7f]] as [[UInt8]]
    )
    func garbage(_ bytes: [UInt8]) {
        #expect(problem(bytes) == "not HTTP")
    }

    @Test("a head may fill its limit; one that goes past it is refused before its end comes")
    func limit() throws {
        let frame = "GET / HTTP/1.1\r\nX: \r\n\r\n".utf8.count
        let whole = "GET / HTTP/1.1\r\nX: \(String(repeating: "x", count: 8192 - frame))\r\n\r\n"
        #expect(TunnelLimits.handshakeHeadBytes == 8192)
        _ = try request(whole)
        let endless = "GET / HTTP/1.1\r\nX: " + String(repeating: "x", count: 100_000)
        #expect(HandshakeRequest.parse(endless.utf8.prefix(8192)) == .incomplete)
        #expect(problem(Array(endless.utf8)) == "the head is longer than 8192 bytes")
        let tooLong = HandshakeRequest.Parsed.malformed("the head is longer than 100 bytes")
        #expect(HandshakeRequest.parse(Self.captured.utf8, limitBytes: 100) == tooLong)
    }

    @Test("what a stranger sent can not write lines of its own into our log")
    func logInjection() throws {
        let text = "x\nServer error: forged \u{1b}[31m\u{7}\r \(String(repeating: "y", count: 500))\r\n\r\n"
        let why = try #require(problem(Array(text.utf8)))
        #expect(!why.unicodeScalars.contains { $0.properties.generalCategory == .control })
        #expect(why.count < 120)
    }

    private func request(_ text: String) throws -> HandshakeRequest {
        guard case .request(let request) = HandshakeRequest.parse(text.utf8) else {
            throw HandshakeProblem.malformed("\(HandshakeRequest.parse(text.utf8))")
        }
        return request
    }

    private func problem(_ bytes: [UInt8]) -> String? {
        if case .malformed(let why) = HandshakeRequest.parse(bytes) { why } else { nil }
    }
}
