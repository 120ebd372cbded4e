/// The HTTP/1.1 request that opens a session, read from bytes as they come.
///
/// NodePass's own form is `GET / HTTP/1.1` with `Authorization: Bearer TOKEN`; the two `NodePass-` headers are ours.
package struct HandshakeRequest: Sendable, Hashable {
    package var method: String
    /// Without its query string.
    package var path: String
    package var token: String?
    package var extensions: Set<SessionExtension>
    /// Names one client for as long as it lives, so that its return is told from a second client; nil for NodePass's.
    package var clientID: String?

    package enum Parsed: Sendable, Hashable {
        case incomplete
        case request(HandshakeRequest)
        case malformed(String)
    }

    /// Reads a request's head; a body is not expected and not read.
    ///
    /// Malformed past `limitBytes`.
    package static func parse(
        _ bytes: some Collection<UInt8>,
        limitBytes: Int = TunnelLimits.handshakeHeadBytes
    ) -> Parsed {
        let head: [Substring]
        switch HTTPHead.split(bytes, limitBytes: limitBytes) {
        case .incomplete: return .incomplete
        case .malformed(let why): return .malformed(why)
        case .head(let lines, _): head = lines
        }
        let parts = head[0].split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].hasPrefix("HTTP/1."), !parts[0].isEmpty, parts[1].hasPrefix("/") else {
            return .malformed("'\(HTTPHead.quoted(head[0]))' is no HTTP/1.1 request line")
        }
        let headers = HTTPHead.headers(head.dropFirst())
        let authorization = headers["authorization"]
        let names = (headers["nodepass-extensions"] ?? "").split(separator: ",")
        return .request(
            HandshakeRequest(
                method: String(parts[0]),
                path: String(parts[1].prefix { $0 != "?" }),
                token: authorization.flatMap { $0.hasPrefix("Bearer ") ? String($0.dropFirst(7)) : nil },
                extensions: Set(names.compactMap { SessionExtension(rawValue: HTTPHead.trim($0)) }),
                clientID: headers["nodepass-client"].map { String($0.prefix(64)) }
            )
        )
    }

    /// The bytes of our own client's request; `host` is the server name, without a port as NodePass sends it.
    package static func text(host: String, token: HandshakeToken, clientID: String) -> String {
        let names = SessionExtension.allCases.map(\.rawValue).joined(separator: ", ")
        return """
            GET / HTTP/1.1\r
            Host: \(host)\r
            User-Agent: nodepass\r
            Authorization: Bearer \(token.text)\r
            NodePass-Extensions: \(names)\r
            NodePass-Client: \(clientID)\r
            \r

            """
    }
}

/// Splits the head of an HTTP/1.1 message into lines (RFC 9112 §2.1), within a limit.
enum HTTPHead {
    enum Split {
        case incomplete
        /// The lines, start line first, and how many bytes the head took.
        case head([Substring], lengthBytes: Int)
        case malformed(String)
    }

    static func split(_ bytes: some Collection<UInt8>, limitBytes: Int) -> Split {
        let window = Array(bytes.prefix(limitBytes + 4))
        let mark: [UInt8] = [13, 10, 13, 10]
        guard let end = window.indices.first(where: { window[$0...].starts(with: mark) }) else {
            guard window.count <= limitBytes else { return .malformed("the head is longer than \(limitBytes) bytes") }
            let isText = window.allSatisfy { $0 == 13 || $0 == 10 || $0 == 9 || (32...126).contains($0) || $0 >= 128 }
            return isText ? .incomplete : .malformed("not HTTP")
        }
        let text = String(decoding: window[..<end], as: UTF8.self)
        return .head(text.split(separator: "\r\n", omittingEmptySubsequences: false), lengthBytes: end + 4)
    }

    /// A peer's text for a log: short, and with nothing that begins a line of its own or steers a terminal.
    static func quoted(_ text: Substring) -> String {
        let harmless = text.unicodeScalars.filter { $0.properties.generalCategory != .control }
        return String(String.UnicodeScalarView(harmless).prefix(60))
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
