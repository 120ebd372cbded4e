import Crypto
import FoundationEssentials

/// The two HTTP messages that turn a connection into a WebSocket (RFC 6455 §4).
package struct WebSocketUpgrade: Sendable, Hashable {
    /// 16 random bytes in base64.
    package let key: String

    private static let keyHeader = "Sec-WebSocket-Key"
    private static let acceptHeader = "Sec-WebSocket-Accept"

    /// A client's, with a key of its own.
    init() {
        key = Data(SessionSecret.makeNonce()).base64EncodedString()
    }

    /// What a server reads of a request's headers; nil for a request of another kind.
    init?(_ headers: [String: String]) {
        guard headers["upgrade"]?.lowercased() == "websocket", headers["sec-websocket-version"] == "13",
            headers["connection"]?.lowercased().contains("upgrade") == true,
            let key = headers[Self.keyHeader.lowercased()], Data(base64Encoded: key)?.count == 16
        else { return nil }
        self.key = key
    }

    /// The client's request; `host` is without a port, as NodePass sends it.
    func request(path: String, host: String) -> String {
        [
            "GET \(path) HTTP/1.1", "Host: \(host)", "User-Agent: nodepass", "Connection: Upgrade",
            "Upgrade: websocket",
            "\(Self.keyHeader): \(key)", "Sec-WebSocket-Version: 13", "", "",
        ].joined(separator: "\r\n")
    }

    /// The server's answer that a WebSocket begins.
    var acceptance: String {
        [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            "\(Self.acceptHeader): \(acceptKey)", "", "",
        ].joined(separator: "\r\n")
    }

    /// What a server without room for the link answers, as NodePass does.
    static let poolFull =
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
        + "Content-Length: 10\r\n\r\npool full\n"

    /// Whether the lines of a 101 accept this request, and nothing that it did not ask for.
    func isAccepted(by lines: [Substring]) -> Bool {
        let headers = HTTPHead.headers(lines.dropFirst())
        return headers["upgrade"]?.lowercased() == "websocket"
            && headers[Self.acceptHeader.lowercased()] == acceptKey
            && headers["sec-websocket-extensions"] == nil && headers["sec-websocket-protocol"] == nil
    }

    private var acceptKey: String {
        Data(Insecure.SHA1.hash(data: Data((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))).base64EncodedString()
    }
}

/// Why a connection to a server did not become a WebSocket.
enum WebSocketRefusal: Error, CustomStringConvertible {
    case status(Int, String)
    /// It answered 101 and something else than was asked for.
    case badAcceptance
    case malformed(String)

    var description: String {
        switch self {
        case .status(let status, let text): "the server answered \(status) to the WebSocket's request: \(text)"
        case .badAcceptance: "the server's answer to the WebSocket's request is not one"
        case .malformed(let why): why
        }
    }
}
