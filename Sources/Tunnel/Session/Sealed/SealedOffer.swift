import Config
import Crypto

/// A client's request for the sealed handshake, in clear and without the token, so that a server that
/// does not know it answers 401 and has learned nothing.
package struct SealedOffer: Sendable, Hashable {
    package let nonce: [UInt8]
    /// The request's head as this end sent or received it; empty where a proxy in between may rewrite it.
    package let head: [UInt8]
    /// What only the client of a former session can know; see `TicketBook`.
    package let ticket: String?
    /// Which tunnel of the server's port is meant, as `digest` makes it; nil where the client names none.
    package let serviceDigest: String?

    private static let nonceHeader = "NodePass-Nonce"
    private static let ticketHeader = "NodePass-Ticket"
    private static let serviceHeader = "NodePass-Service"
    /// Its value says that the heads are not a part of the proof.
    ///
    /// Where one end alone sees it, the ends
    /// differ in what they prove.
    private static let headsHeader = "NodePass-Heads"
    private static let unbound = "unbound"

    /// What a client of ours sends; `text` is the request.
    static func make(
        host: String,
        path: String = "/",
        service: String? = nil,
        isBehindProxy: Bool,
        nonce: [UInt8],
        ticket: String? = nil
    ) -> (offer: SealedOffer, text: String) {
        var lines = [
            "GET \(path) HTTP/1.1", "Host: \(host)", "User-Agent: nodepass", "Connection: Upgrade",
            "Upgrade: \(SealedHandshake.protocolName)", "\(nonceHeader): \(Hex.text(nonce))",
        ]
        let digest = service.map { Self.digest(of: $0, nonce) }
        if let digest { lines.append("\(serviceHeader): \(digest)") }
        if let ticket { lines.append("\(ticketHeader): \(ticket)") }
        if isBehindProxy { lines.append("\(headsHeader): \(unbound)") }
        let head = bytes(of: lines.map { $0[...] })
        let offer = SealedOffer(nonce: nonce, head: isBehindProxy ? [] : head, ticket: ticket, serviceDigest: digest)
        return (offer, (lines + ["", ""]).joined(separator: "\r\n"))
    }

    private init(nonce: [UInt8], head: [UInt8], ticket: String?, serviceDigest: String?) {
        self.serviceDigest = serviceDigest
        self.nonce = nonce
        self.head = head
        self.ticket = ticket
    }

    /// Nil for a request of another kind.
    init?(head lines: [Substring], _ headers: [String: String]) {
        guard headers["upgrade"] == SealedHandshake.protocolName, let nonce = Self.nonce(headers) else { return nil }
        let isBehindProxy = headers[Self.headsHeader.lowercased()] == Self.unbound
        let head = isBehindProxy ? [] : Self.bytes(of: lines)
        self.init(
            nonce: nonce,
            head: head,
            ticket: headers[Self.ticketHeader.lowercased()],
            serviceDigest: headers[Self.serviceHeader.lowercased()]
        )
    }

    /// Whether the client means a server of this service, or of none.
    func names(_ service: String?) -> Bool {
        service.map { Self.digest(of: $0, nonce) } == serviceDigest
    }

    /// A name as it goes over the wire: two requests for one service do not look alike.
    ///
    /// Who sees the request can still try names that they can think of.
    private static func digest(of service: String, _ nonce: [UInt8]) -> String {
        Hex.text(SHA256.hash(data: Array("nodepass service".utf8) + nonce + Array(service.utf8)).prefix(16))
    }

    /// The server's answer that it does the same: its head, and its text.
    func acceptance(nonce: [UInt8]) -> (head: [UInt8], text: String) {
        let lines = [
            "HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: \(SealedHandshake.protocolName)",
            "\(Self.nonceHeader): \(Hex.text(nonce))",
        ]
        return (
            head.isEmpty ? [] : Self.bytes(of: lines.map { $0[...] }), (lines + ["", ""]).joined(separator: "\r\n")
        )
    }

    /// What a client reads of the lines of a 101: the server's nonce, and the head; nil when it is of
    /// another protocol.
    func readAcceptance(_ lines: [Substring]) -> (nonce: [UInt8], head: [UInt8])? {
        let headers = HTTPHead.headers(lines.dropFirst())
        guard headers["upgrade"] == SealedHandshake.protocolName, let nonce = Self.nonce(headers) else { return nil }
        return (nonce, head.isEmpty ? [] : Self.bytes(of: lines))
    }

    private static func nonce(_ headers: [String: String]) -> [UInt8]? {
        guard let nonce = headers[nonceHeader.lowercased()].flatMap(Hex.bytes) else { return nil }
        return nonce.count == SealedHandshake.nonceBytes ? nonce : nil
    }

    private static func bytes(of lines: [Substring]) -> [UInt8] {
        Array(lines.joined(separator: "\r\n").utf8)
    }
}
