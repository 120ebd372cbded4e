import FoundationEssentials

/// The HTTP texts of the handshake, byte for byte as Go sends them.
package enum ReferenceHandshake {
    package static func request(token: String, host: String) -> String {
        "GET / HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: Go-http-client/1.1\r\nAuthorization: Bearer \(token)\r\n"
            + "Accept-Encoding: gzip\r\n\r\n"
    }

    /// The status a server answers a request with.
    package static func judge(_ request: String, token: String) -> Int {
        let lines = request.split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.first == "GET" else { return 405 }
        guard words.count > 1, words[1].prefix(while: { $0 != "?" }) == "/" else { return 404 }
        let value = lines.dropFirst().first { $0.lowercased().hasPrefix("authorization:") }?.split(separator: ":").last
        return value?.drop { $0 == " " } == "Bearer \(token)" ? 200 : 401
    }

    package static func reply(_ status: Int, terms: ReferenceTerms) -> String {
        let reasons = [200: "OK", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"]
        let reason = reasons[status] ?? ""
        let body = status == 200 ? terms.json : reason + "\n"
        let kind =
            status == 200 ? "application/json" : "text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff"
        return "HTTP/1.1 \(status) \(reason)\r\nConnection: close\r\nContent-Type: \(kind)\r\n"
            + "Date: Mon, 23 Nov 2026 20:28:31 GMT\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    /// The terms of a whole reply.
    package static func terms(_ reply: String) throws -> ReferenceTerms {
        let status = reply.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        guard status == 200, let gap = reply.firstRange(of: "\r\n\r\n") else {
            throw ReferencePeerError.refused(status: status, reply: reply)
        }
        return try JSONDecoder().decode(ReferenceTerms.self, from: Data(reply[gap.upperBound...].utf8))
    }
}

/// What the handshake settles: the server's answer to a good token.
package struct ReferenceTerms: Hashable, Sendable, Decodable {
    package let flow: String
    package let max: Int
    package let tls: String
    package let type: String

    package init(flow: String, max: Int, tls: String, type: String) {
        self.flow = flow
        self.max = max
        self.tls = tls
        self.type = type
    }

    package var json: String { #"{"flow":"\#(flow)","max":\#(max),"tls":"\#(tls)","type":"\#(type)"}"# + "\n" }
}
