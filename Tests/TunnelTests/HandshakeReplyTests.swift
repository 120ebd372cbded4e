import Config
import FoundationEssentials
import TestSupport
import Testing

@testable import Tunnel

@Suite("The handshake's reply and the terms in it")
struct HandshakeReplyTests {
    static let date = "Mon, 23 Nov 2026 20:28:31 GMT"
    static let body = #"{"flow":"-","max":8,"tls":"0","type":"0"}"# + "\n"

    // MARK: Writing

    @Test("the reply is NodePass's to the byte")
    func captured() {
        let expected =
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nDate: \(Self.date)\r\n"
            + "Content-Length: 42\r\n\r\n" + Self.body
        let terms = HandshakeTerms(flow: .reverse, max: 8, tls: 0, transport: .tcp)
        #expect(HandshakeReply.text(terms: terms, date: Self.date) == expected)
    }

    static let refusals: [(HandshakeRefusal, String, String)] = [
        (.methodNotAllowed, "405 Method Not Allowed", "Method Not Allowed\n"),
        (.notFound, "404 Not Found", "Not Found\n"),
        (.unauthorized, "401 Unauthorized", "Unauthorized\n"),
        (.tooManyAttempts, "429 Too Many Requests", "Too Many Requests\n"),
        (.malformed, "400 Bad Request", "Bad Request\n"),
        (.taken(by: "192.0.2.1"), "409 Conflict", "This tunnel is in use by another client (192.0.2.1).\n"),
    ]

    @Test("a refusal has NodePass's headers and says why", arguments: refusals)
    func refusal(_ refusal: HandshakeRefusal, _ status: String, _ body: String) {
        let expected =
            "HTTP/1.1 \(status)\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
            + "X-Content-Type-Options: nosniff\r\nDate: \(Self.date)\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        let text = HandshakeReply.text(refusing: refusal, date: Self.date)
        #expect(text == expected)
        let reply = HandshakeReply(status: refusal.status, body: Array(body.utf8))
        #expect(HandshakeReply.parse(text.utf8, isEnded: false) == .reply(reply))
    }

    // MARK: Reading

    struct Sample: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String
        /// Before the peer has ended, and after.
        let open: String
        let ended: String
        var testDescription: String { name }

        init(_ name: String, _ text: String, open: String, ended: String? = nil) {
            self.name = name
            self.text = text
            self.open = open
            self.ended = ended ?? open
        }
    }

    static let early = "the reply ended early"
    static let samples = [
        Sample("a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", open: "200 hi"),
        Sample("more than the length", "HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\nhi there", open: "200 hi"),
        Sample("no body", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", open: "401 "),
        Sample("no reason", "HTTP/1.1 204\r\nContent-Length: 0\r\n\r\n", open: "204 "),
        Sample("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nhi", open: "incomplete", ended: "200 hi"),
        Sample("no length", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi", open: "incomplete", ended: "200 hi"),
        Sample("a bad length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhi", open: "incomplete", ended: "200 hi"),
        Sample("a short body", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", open: "incomplete", ended: early),
        Sample("half a head", "HTTP/1.1 200 OK\r\nContent-Le", open: "incomplete", ended: early),
        Sample("nothing", "", open: "incomplete", ended: early),
        Sample("chunks", chunked("2\r\nhi\r\n6; a=b\r\n there\r\n0\r\n\r\n"), open: "200 hi there"),
        Sample("chunks with a trailer", chunked("A\r\n0123456789\r\n0\r\nX: y\r\n\r\n"), open: "200 0123456789"),
        Sample("no chunk", chunked("0\r\n\r\n"), open: "200 "),
        Sample("half a chunk", chunked("5\r\nhi"), open: "incomplete", ended: early),
        Sample("a chunk without its end", chunked("2\r\nhi"), open: "incomplete", ended: early),
        Sample("a size that is none", chunked("zz\r\nhi\r\n0\r\n\r\n"), open: "incomplete", ended: early),
        Sample("a size below zero", chunked("-1\r\nhi\r\n0\r\n\r\n"), open: "incomplete", ended: early),
        Sample("the largest size", chunked("7fffffffffffffff\r\nhi\r\n"), open: "incomplete", ended: early),
        Sample("a size past the largest", chunked("ffffffffffffffff\r\nhi\r\n"), open: "incomplete", ended: early),
        Sample("another protocol", "SSH-2.0-Go\r\n\r\n", open: "the reply is not HTTP"),
        Sample("HTTP/2", "HTTP/2 200\r\n\r\n", open: "the reply is not HTTP"),
        Sample("no status", "HTTP/1.1 OK\r\n\r\n", open: "'HTTP/1.1 OK' is no HTTP/1.1 status line"),
        Sample(
            "control characters",
            "HTTP/1.1 x\n\u{1b}[31m\r\n\r\n",
            open: "the reply is not HTTP"
        ),
        Sample("a link's id", "\u{0}\u{0}\u{0}\u{0}", open: "the reply is not HTTP"),
    ]

    private static func chunked(_ body: String) -> String {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nContent-Length: 1\r\n\r\n" + body
    }

    @Test("a reply is read however its body is delimited", arguments: samples)
    func parse(_ sample: Sample) {
        #expect(outcome(Array(sample.text.utf8), isEnded: false) == sample.open)
        if sample.open != "not HTTP" { #expect(outcome(Array(sample.text.utf8), isEnded: true) == sample.ended) }
    }

    @Test("a reply that comes byte by byte is whole with its last byte")
    func byteByByte() {
        let terms = HandshakeTerms(flow: .reverse, max: 8, tls: 0, transport: .tcp)
        let bytes = Array(HandshakeReply.text(terms: terms, date: Self.date).utf8)
        for length in bytes.indices {
            #expect(outcome(Array(bytes.prefix(length)), isEnded: false) == "incomplete", "after \(length) bytes")
            #expect(outcome(Array(bytes.prefix(length)), isEnded: true) == Self.early, "after \(length) bytes")
        }
        #expect(outcome(bytes, isEnded: false) == "200 " + Self.body)
    }

    @Test("a head or a body past the limit is refused")
    func limits() {
        let long = String(repeating: "x", count: 8193)
        let head = "HTTP/1.1 200 OK\r\nX: \(long)"
        #expect(outcome(Array(head.utf8), isEnded: false) == "the head is longer than 8192 bytes")
        for header in ["Content-Length: 9000", "Transfer-Encoding: chunked", "X: y"] {
            let text = "HTTP/1.1 200 OK\r\n\(header)\r\n\r\n\(long)"
            #expect(outcome(Array(text.utf8), isEnded: false) == "the body is longer than 8192 bytes")
        }
    }

    private func outcome(_ bytes: [UInt8], isEnded: Bool) -> String {
        switch HandshakeReply.parse(bytes, isEnded: isEnded) {
        case .incomplete: "incomplete"
        case .malformed(let why): why
        case .reply(let reply): "\(reply.status) " + String(decoding: reply.body, as: UTF8.self)
        }
    }

    // MARK: Terms

    static let nonce = [UInt8](0..<16)
    static let bodies: [(HandshakeTerms, String)] = [
        (
            HandshakeTerms(flow: .reverse, max: 8, tls: 0, transport: .tcp),
            #"{"flow":"-","max":8,"tls":"0","type":"0"}"#
        ),
        (
            HandshakeTerms(flow: .forward, max: 1024, tls: 2, transport: .http2),
            #"{"flow":"+","max":1024,"tls":"2","type":"3"}"#
        ),
        (
            HandshakeTerms(flow: .reverse, max: 1, tls: 1, transport: .quic, extensions: [.refuse], nonce: nonce),
            #"{"flow":"-","max":1,"tls":"1","type":"1","ext":["refuse"],"#
                + #""session":"000102030405060708090a0b0c0d0e0f"}"#
        ),
    ]

    @Test("terms are written as NodePass writes them, ours behind, and read back", arguments: bodies)
    func terms(_ terms: HandshakeTerms, _ text: String) throws {
        #expect(terms.body == text + "\n")
        #expect(try HandshakeTerms(body: Array(terms.body.utf8)) == terms)
    }

    @Test("all extensions survive the way there and back")
    func allExtensions() throws {
        let terms = HandshakeTerms(
            flow: .forward,
            max: 64,
            tls: 0,
            transport: .websocket,
            extensions: Set(SessionExtension.allCases),
            nonce: SessionSecret.makeNonce()
        )
        #expect(terms.nonce.count == 16)
        let names = #""link-proof","sealed-signals","udp-frames","refuse","trim","certificate","half-close""#
        #expect(terms.body.contains(#""ext":[\#(names)]"#))
        #expect(try HandshakeTerms(body: Array(terms.body.utf8)) == terms)
    }

    static let plain = HandshakeTerms(flow: .forward, max: 8, tls: 1, transport: .websocket)
    static let tolerated: [(String, HandshakeTerms)] = [
        (#""x":{"y":[1,null]},"Flow":"-""#, plain),
        (#""ext":["refuse"]"#, plain),
        (#""ext":["refuse"],"session":"00ff""#, plain),
        (#""ext":["refuse"],"session":"zz0102030405060708090a0b0c0d0e0f""#, plain),
        (#""ext":[],"session":"000102030405060708090a0b0c0d0e0f""#, plain),
        (#""ext":["time-travel"],"session":"000102030405060708090a0b0c0d0e0f""#, plain),
        (
            #""ext":["time-travel","refuse"],"session":"000102030405060708090A0B0C0D0E0F""#,
            HandshakeTerms(flow: .forward, max: 8, tls: 1, transport: .websocket, extensions: [.refuse], nonce: nonce)
        ),
    ]

    @Test("fields we do not know are no matter, and extensions without a whole nonce are none", arguments: tolerated)
    func tolerance(_ more: String, _ expected: HandshakeTerms) throws {
        let text = #"{ "type":"2", "tls":"1", "max":8, "flow":"+", \#(more) }"#
        #expect(try HandshakeTerms(body: Array(text.utf8)) == expected)
    }

    @Test("a transport of a later version is kept as it is called, for the message")
    func unknownTransport() throws {
        let terms = try HandshakeTerms(body: Array(#"{"flow":"+","max":8,"tls":"0","type":"9"}"#.utf8))
        #expect(terms.transport.codeText == "9")
        #expect(terms.transport.code == nil)
    }

    @Test("a maximum below one counts as one", arguments: [0, -5])
    func maximum(_ max: Int) throws {
        #expect(try HandshakeTerms(body: Array(#"{"flow":"+","max":\#(max),"tls":"0","type":"0"}"#.utf8)).max == 1)
    }

    static let notTerms = "the reply is not the JSON object a NodePass server sends"
    static let refused: [(String, String)] = [
        ("", notTerms),
        ("<html>", notTerms),
        ("[]", notTerms),
        (#"{"flow":"-","max":8,"tls":"0"}"#, notTerms),
        (#"{"flow":"-","max":"8","tls":"0","type":"0"}"#, notTerms),
        (#"{"flow":"-","max":8.5,"tls":"0","type":"0"}"#, notTerms),
        (#"{"flow":"-","max":1e99,"tls":"0","type":"0"}"#, notTerms),
        (#"{"flow":"-","max":8,"tls":0,"type":"0"}"#, notTerms),
        (#"{"flow":"-","max":8,"tls":"0","type":0}"#, notTerms),
        (#"{"flow":null,"max":8,"tls":"0","type":"0"}"#, notTerms),
        (#"{"flow":"*","max":8,"tls":"0","type":"0"}"#, "unknown flow '*'"),
        (#"{"flow":"-","max":8,"tls":"3","type":"0"}"#, "unknown tls '3'"),
        (#"{"flow":"-","max":8,"tls":"","type":"0"}"#, "unknown tls ''"),
    ]

    @Test("what is not terms is refused with a word on why", arguments: refused)
    func notTerms(_ text: String, _ problem: String) {
        #expect(throws: HandshakeProblem.malformed(problem)) { try HandshakeTerms(body: Array(text.utf8)) }
    }

    @Test("the side that users come to follows from the flow")
    func entry() {
        #expect(TunnelFlow.reverse.isEntry(.server) && !TunnelFlow.reverse.isEntry(.client))
        #expect(TunnelFlow.forward.isEntry(.client) && !TunnelFlow.forward.isEntry(.server))
    }
}
