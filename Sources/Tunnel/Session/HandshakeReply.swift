/// The HTTP/1.1 reply that ends the handshake, written by servers and read by clients.
package struct HandshakeReply: Sendable, Hashable {
    package var status: Int
    package var body: [UInt8]

    package enum Parsed: Sendable, Hashable {
        case incomplete
        case reply(HandshakeReply)
        case malformed(String)
    }

    /// Reads a reply, of which `isEnded` says that the peer has sent all it will.
    ///
    /// Malformed past `limitBytes` of head or body.
    package static func parse(
        _ bytes: some Collection<UInt8>,
        isEnded: Bool,
        limitBytes: Int = TunnelLimits.handshakeHeadBytes
    ) -> Parsed {
        let lines: [Substring]
        let rest: [UInt8]
        let begin = Array("HTTP/1.".utf8)
        guard begin.starts(with: bytes.prefix(begin.count)) else { return .malformed("the reply is not HTTP") }
        switch HTTPHead.split(bytes, limitBytes: limitBytes) {
        case .incomplete: return isEnded ? .malformed("the reply ended early") : .incomplete
        case .malformed(let why): return .malformed(why)
        case .head(let head, let length):
            lines = head
            rest = Array(bytes.dropFirst(length).prefix(limitBytes + 1))
        }
        let parts = lines[0].split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let status = Int(parts[1]) else {
            return .malformed("'\(HTTPHead.quoted(lines[0]))' is no HTTP/1.1 status line")
        }
        guard rest.count <= limitBytes else { return .malformed("the body is longer than \(limitBytes) bytes") }
        let headers = HTTPHead.headers(lines.dropFirst())
        let framing = BodyFraming(headers)
        switch framing.body(in: rest, isEnded: isEnded) {
        case .some(let body): return .reply(HandshakeReply(status: status, body: body))
        case .none: return isEnded ? .malformed("the reply ended early") : .incomplete
        }
    }

    /// The bytes of a server's reply, headers as NodePass's server writes them; `date` is an HTTP date (RFC 9110 §5.6.7).
    package static func text(terms: HandshakeTerms, date: String) -> String {
        text(200, "OK", type: "application/json", extra: "", body: terms.body, date: date)
    }

    package static func text(refusing refusal: HandshakeRefusal, date: String) -> String {
        text(
            refusal.status,
            refusal.title,
            type: "text/plain; charset=utf-8",
            extra: "X-Content-Type-Options: nosniff\r\n",
            body: refusal.body,
            date: date
        )
    }

    private static func text(
        _ status: Int,
        _ title: String,
        type: String,
        extra: String,
        body: String,
        date: String
    ) -> String {
        "HTTP/1.1 \(status) \(title)\r\nConnection: close\r\nContent-Type: \(type)\r\n\(extra)Date: \(date)\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }
}

/// How a reply's body is delimited (RFC 9112 §6): by length, in chunks (a CDN may do that), or by the end.
private enum BodyFraming {
    case length(Int)
    case chunked
    case untilEnd

    init(_ headers: [String: String]) {
        if headers["transfer-encoding"]?.lowercased() == "chunked" {
            self = .chunked
        } else if let length = headers["content-length"].flatMap({ Int($0) }), length >= 0 {
            self = .length(length)
        } else {
            self = .untilEnd
        }
    }

    func body(in bytes: [UInt8], isEnded: Bool) -> [UInt8]? {
        switch self {
        case .length(let length): bytes.count >= length ? Array(bytes.prefix(length)) : nil
        case .untilEnd: isEnded ? bytes : nil
        case .chunked: Self.unchunk(bytes[...])
        }
    }

    private static func unchunk(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var rest = bytes
        var body: [UInt8] = []
        while let lineEnd = rest.firstIndex(of: 10) {
            let digits = String(
                decoding: rest[..<lineEnd].prefix { $0 != 13 && $0 != UInt8(ascii: ";") },
                as: UTF8.self
            )
            guard let size = Int(digits, radix: 16), size >= 0 else { return nil }
            rest = rest[(lineEnd + 1)...]
            if size == 0 { return body }
            guard rest.count - 2 >= size else { return nil }
            body += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
        return nil
    }
}

/// Why a server does not let a client in, as its HTTP answer.
package enum HandshakeRefusal: Sendable, Hashable {
    case methodNotAllowed
    case notFound
    case unauthorized
    /// Ours: another client has the tunnel and answers.
    case taken(by: String)
    /// Ours: too many failures from this address lately.
    case tooManyAttempts
    case malformed

    var status: Int {
        switch self {
        case .methodNotAllowed: 405
        case .notFound: 404
        case .unauthorized: 401
        case .taken: 409
        case .tooManyAttempts: 429
        case .malformed: 400
        }
    }

    fileprivate var title: String {
        switch self {
        case .methodNotAllowed: "Method Not Allowed"
        case .notFound: "Not Found"
        case .unauthorized: "Unauthorized"
        case .taken: "Conflict"
        case .tooManyAttempts: "Too Many Requests"
        case .malformed: "Bad Request"
        }
    }

    fileprivate var body: String {
        switch self {
        case .taken(let address): "This tunnel is in use by another client (\(address)).\n"
        default: title + "\n"
        }
    }
}

extension HandshakeRequest {
    /// What a server finds wrong with it, in NodePass's order of checks; nil when it may come in.
    package func problem(token own: HandshakeToken) -> HandshakeRefusal? {
        if method != "GET" { return .methodNotAllowed }
        if path != "/" { return .notFound }
        guard let token, own.matches(token) else { return .unauthorized }
        return nil
    }
}
