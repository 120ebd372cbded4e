/// The HTTP/1.1 request that opens a session, read from bytes as they come.
///
/// NodePass's own form is `GET / HTTP/1.1` with `Authorization: Bearer TOKEN`; the two `NodePass-`
/// headers are ours.
package struct HandshakeRequest: Sendable, Hashable {
    package var method: String
    /// Without its query string.
    package var path: String
    package var host: String?
    package var token: String?
    package var extensions: Set<SessionExtension>
    /// Names one client for as long as it lives, so that its return is not taken for a second
    /// client; nil for NodePass's.
    package var clientID: String?
    /// Set where the client asks for the sealed handshake.
    package var sealedOffer: SealedOffer?
    /// Set where the client wants a link over WebSocket.
    package var webSocket: WebSocketUpgrade?

    package enum Parsed: Sendable, Hashable {
        case incomplete
        case request(HandshakeRequest)
        case malformed(String)
    }

    /// Reads a request's head from all its bytes; a body is not expected and not read.
    ///
    /// Malformed past `limitBytes`.
    package static func parse(
        _ bytes: some Collection<UInt8>,
        limitBytes: Int = TunnelLimits.handshakeHeadBytes
    ) -> Parsed {
        var head = HTTPHead(limitBytes: limitBytes)
        return parse(head.append(bytes))
    }

    /// Reads a request from what a head has come to.
    static func parse(_ progress: HTTPHead.Progress) -> Parsed {
        let head: [Substring]
        let rest: [UInt8]
        switch progress {
        case .incomplete: return .incomplete
        case .malformed(let why): return .malformed(why)
        case .head(let lines, let bytes): (head, rest) = (lines, bytes)
        }
        let parts = head[0].split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].hasPrefix("HTTP/1."), !parts[0].isEmpty, parts[1].hasPrefix("/") else {
            return .malformed("'\(HTTPHead.quoted(head[0]))' is no HTTP/1.1 request line")
        }
        let headers = HTTPHead.headers(head.dropFirst())
        let offer = SealedOffer(head: head, headers)
        let webSocket = WebSocketUpgrade(headers)
        guard (offer == nil && webSocket == nil) || rest.isEmpty else {
            return .malformed("bytes behind a request for another protocol")
        }
        let authorization = headers["authorization"]
        let names = (headers["nodepass-extensions"] ?? "").split(separator: ",")
        return .request(
            HandshakeRequest(
                method: String(parts[0]),
                path: String(parts[1].prefix { $0 != "?" }),
                host: headers["host"],
                token: authorization.flatMap { $0.hasPrefix("Bearer ") ? String($0.dropFirst(7)) : nil },
                extensions: Set(names.compactMap { SessionExtension(rawValue: HTTPHead.trim($0)) }),
                clientID: headers["nodepass-client"].map { String($0.prefix(64)) },
                sealedOffer: offer,
                webSocket: webSocket
            )
        )
    }

    /// The bytes of our own client's request; `host` is the server name, without a port as NodePass
    /// sends it.
    package static func text(
        host: String,
        path: String = "/",
        token: HandshakeToken,
        clientID: String
    ) -> String {
        let names = SessionExtension.allCases.map(\.rawValue).joined(separator: ", ")
        return """
            GET \(path) HTTP/1.1\r
            Host: \(host)\r
            User-Agent: nodepass\r
            Authorization: Bearer \(token.text)\r
            NodePass-Extensions: \(names)\r
            NodePass-Client: \(clientID)\r
            \r

            """
    }
}

/// The head of an HTTP/1.1 message (RFC 9112 §2.1), collected as its bytes come, within a limit.
///
/// Each byte is looked at once, however many segments it comes in.
struct HTTPHead {
    enum Progress {
        case incomplete
        /// The lines, start line first, and what came behind the head.
        case head([Substring], rest: [UInt8])
        case malformed(String)
    }

    /// What `malformed` says of bytes that are not text or begin otherwise.
    static let notHTTP = "not HTTP"
    private static let blankLine: [UInt8] = [13, 10, 13, 10]

    private let limitBytes: Int
    private let beginning: [UInt8]
    private var held: [UInt8] = []
    /// How many bytes of the blank line `held` ends with.
    private var matched = 0

    /// `beginning` is how the start line has to begin.
    init(limitBytes: Int = TunnelLimits.handshakeHeadBytes, beginning: String = "") {
        self.limitBytes = limitBytes
        self.beginning = Array(beginning.utf8)
    }

    /// Takes the next bytes; after anything but `incomplete` there is nothing more to take.
    mutating func append(_ bytes: some Collection<UInt8>) -> Progress {
        var index = bytes.startIndex
        while index < bytes.endIndex {
            let byte = bytes[index]
            bytes.formIndex(after: &index)
            let isExpected = held.count >= beginning.count || beginning[held.count] == byte
            guard isExpected, Self.isText(byte) else { return .malformed(Self.notHTTP) }
            held.append(byte)
            // A CR that does not continue the blank line may begin one.
            if byte == Self.blankLine[matched] { matched += 1 } else { matched = byte == 13 ? 1 : 0 }
            if matched == Self.blankLine.count {
                let text = String(decoding: held.dropLast(4), as: UTF8.self)
                let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
                return .head(lines, rest: Array(bytes[index...]))
            }
            guard held.count <= limitBytes else { return .malformed("the head is longer than \(limitBytes) bytes") }
        }
        return .incomplete
    }

    private static func isText(_ byte: UInt8) -> Bool {
        byte == 13 || byte == 10 || byte == 9 || (32...126).contains(byte) || byte >= 128
    }

    /// A peer's text for a log: short, and with nothing that begins a line of its own or steers a
    /// terminal.
    static func quoted(_ text: Substring, limit: Int = 60) -> String {
        let harmless = text.unicodeScalars.filter { $0.properties.generalCategory != .control }
        return String(String.UnicodeScalarView(harmless).prefix(limit))
    }

    /// Header fields by lower-case name; of a repeated one the first counts.
    static func headers(_ lines: some Sequence<Substring>) -> [String: String] {
        var headers: [String: String] = [:]
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let name = line[..<colon].lowercased()
            if headers[name] == nil { headers[name] = trim(line[line.index(after: colon)...]) }
        }
        return headers
    }

    static func trim(_ text: Substring) -> String {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        return String(text.drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }
}
