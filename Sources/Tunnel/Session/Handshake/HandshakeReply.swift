import Config
import FoundationEssentials

/// The HTTP/1.1 reply that ends the handshake, written by servers and read by clients.
package struct HandshakeReply: Sendable, Hashable {
    package var status: Int
    package var body: [UInt8]

    package enum Parsed: Sendable, Hashable {
        case incomplete
        case reply(HandshakeReply)
        case malformed(String)
    }

    /// Reads a reply from all its bytes, of which `isEnded` says that the peer has sent all it
    /// will.
    ///
    /// Malformed past `limitBytes` of head or body.
    package static func parse(
        _ bytes: some Collection<UInt8>,
        isEnded: Bool,
        limitBytes: Int = TunnelLimits.handshakeHeadBytes
    ) -> Parsed {
        var reader = HandshakeReplyReader(limitBytes: limitBytes)
        let parsed = reader.append(bytes)
        return parsed == .incomplete && isEnded ? reader.end() : parsed
    }

    /// An answer as v1.14 sends it.
    static func text(of answer: HandshakeAnswer, now: Date = Date()) -> String {
        let date = HTTPDate.text(now)
        return switch answer {
        case .terms(let terms): text(terms: terms, date: date)
        case .refused(let refusal): text(refusing: refusal, date: date)
        }
    }

    /// The bytes of a server's reply, headers as NodePass's server writes them; `date` is an HTTP
    /// date (RFC 9110 §5.6.7).
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

/// Reads a reply as its bytes come, looking at each once.
struct HandshakeReplyReader {
    private let limitBytes: Int
    private var head: HTTPHead
    private var status = 0
    private var body: ReplyBody?
    /// The lines of the head once it is complete.
    private(set) var lines: [Substring] = []

    init(limitBytes: Int = TunnelLimits.handshakeHeadBytes) {
        self.limitBytes = limitBytes
        head = HTTPHead(limitBytes: limitBytes, beginning: "HTTP/1.")
    }

    /// Takes the next bytes; after anything but `incomplete` there is nothing more to take.
    mutating func append(_ bytes: some Collection<UInt8>) -> HandshakeReply.Parsed {
        if body != nil { return appendBody(bytes) }
        switch head.append(bytes) {
        case .incomplete: return .incomplete
        case .malformed(HTTPHead.notHTTP): return .malformed("the reply is not HTTP")
        case .malformed(let why): return .malformed(why)
        case .head(let lines, let rest):
            let parts = lines[0].split(separator: " ", maxSplits: 2)
            guard parts.count >= 2, let status = Int(parts[1]) else {
                return .malformed("'\(HTTPHead.quoted(lines[0]))' is no HTTP/1.1 status line")
            }
            self.status = status
            self.lines = lines
            // Another protocol begins behind this head (RFC 9110 §15.2.2).
            if status == 101 { return .reply(HandshakeReply(status: status, body: rest)) }
            body = ReplyBody(HTTPHead.headers(lines.dropFirst()), limitBytes: limitBytes)
            return appendBody(rest)
        }
    }

    /// The peer has sent all it will.
    mutating func end() -> HandshakeReply.Parsed {
        guard let whole = body?.whole(isEnded: true) else { return .malformed("the reply ended early") }
        return .reply(HandshakeReply(status: status, body: whole))
    }

    private mutating func appendBody(_ bytes: some Collection<UInt8>) -> HandshakeReply.Parsed {
        guard body?.append(bytes) == true else { return .malformed("the body is longer than \(limitBytes) bytes") }
        return body?.whole(isEnded: false).map { .reply(HandshakeReply(status: status, body: $0)) } ?? .incomplete
    }
}

/// A reply's body, delimited (RFC 9112 §6) by a length, in chunks (a CDN may do that), or by the
/// end.
private struct ReplyBody {
    private enum Framing {
        case length(Int)
        case chunked(ChunkState)
        case untilEnd
    }

    private enum ChunkState {
        case size
        case data(left: Int)
        /// The line end after a chunk.
        case gap(left: Int)
        case done
        /// A size that is none: the body never becomes whole.
        case broken
    }

    private var framing: Framing
    private var sizeLine: [UInt8] = []
    private var held: [UInt8] = []
    private var taken = 0
    private let limitBytes: Int

    init(_ headers: [String: String], limitBytes: Int) {
        self.limitBytes = limitBytes
        if headers["transfer-encoding"]?.lowercased() == "chunked" {
            framing = .chunked(.size)
        } else if let length = headers["content-length"].flatMap({ Int($0) }), length >= 0 {
            framing = .length(length)
        } else {
            framing = .untilEnd
        }
    }

    /// False when more has come than the limit allows.
    mutating func append(_ bytes: some Collection<UInt8>) -> Bool {
        taken += bytes.count
        guard taken <= limitBytes else { return false }
        guard case .chunked(var state) = framing else {
            held += bytes
            return true
        }
        for byte in bytes { state = next(state, byte) }
        framing = .chunked(state)
        return true
    }

    /// The body when all of it is there.
    func whole(isEnded: Bool) -> [UInt8]? {
        switch framing {
        case .length(let length): held.count >= length ? Array(held.prefix(length)) : nil
        case .untilEnd: isEnded ? held : nil
        case .chunked(.done): held
        case .chunked: nil
        }
    }

    private mutating func next(_ state: ChunkState, _ byte: UInt8) -> ChunkState {
        switch state {
        case .size:
            guard byte == 10 else {
                sizeLine.append(byte)
                return .size
            }
            let digits = sizeLine.prefix { $0 != 13 && $0 != UInt8(ascii: ";") }
            sizeLine = []
            guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size >= 0 else { return .broken }
            return size == 0 ? .done : .data(left: size)
        case .data(let left):
            held.append(byte)
            return left == 1 ? .gap(left: 2) : .data(left: left - 1)
        case .gap(let left): return left == 1 ? .size : .gap(left: left - 1)
        case .done, .broken: return state
        }
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
    /// Ours: the end has been stopped.
    case unavailable
    case malformed
    /// Ours: it is not known which of the tunnels at this port is meant.
    case misdirected(Misdirection)

    package enum Misdirection: String, Sendable, Hashable {
        case unknown = "No tunnel at this port has the service that the client names."
        case unnamed = "The tunnels at this port have services, and the client names none."
        case sameKey = "Several tunnels at this port have this key, and a client of v1.14 says no more."
        case sameAddress =
            "Several tunnels share this port, and clients of v1.14 there need an address of their own each."
    }

    var status: Int {
        switch self {
        case .methodNotAllowed: 405
        case .notFound: 404
        case .unauthorized: 401
        case .taken: 409
        case .tooManyAttempts: 429
        case .unavailable: 503
        case .malformed: 400
        case .misdirected: 421
        }
    }

    fileprivate var title: String {
        switch self {
        case .methodNotAllowed: "Method Not Allowed"
        case .notFound: "Not Found"
        case .unauthorized: "Unauthorized"
        case .taken: "Conflict"
        case .tooManyAttempts: "Too Many Requests"
        case .unavailable: "Service Unavailable"
        case .malformed: "Bad Request"
        case .misdirected: "Misdirected Request"
        }
    }

    var body: String {
        switch self {
        case .taken(let address): "This tunnel is in use by another client (\(address)).\n"
        case .misdirected(let why): why.rawValue + "\n"
        default: title + "\n"
        }
    }
}

extension HandshakeRequest {
    /// What a server finds wrong with it, in NodePass's order of checks; nil when it may come in.
    package func problem(
        token own: HandshakeToken,
        at place: HandshakePlace = HandshakePlace()
    ) -> HandshakeRefusal? {
        if let problem = place.problem(with: self) { return problem }
        guard let token, own.matches(token) else { return .unauthorized }
        return nil
    }
}
