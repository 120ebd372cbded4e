import ArgumentParser

/// The ways a tunnel can be set up that are compared.
enum Layout: String, CaseIterable, Codable, ExpressibleByArgument {
    /// One process that listens and dials.
    case single
    /// A server and a client process with links between them.
    case dual
    /// The same with TLS on the links.
    case dualTLS = "dual-tls"
    /// Links over WebSocket, bare and with TLS, and over HTTP/2.
    case webSocket = "ws"
    case webSocketTLS = "wss"
    case http2
    case quic

    var title: String {
        switch self {
        case .single: "single-end"
        case .dual: "dual-end"
        case .dualTLS: "dual-end TLS"
        case .webSocket: "WebSocket"
        case .webSocketTLS: "WebSocket TLS"
        case .http2: "HTTP/2"
        case .quic: "QUIC"
        }
    }

    var hasTLS: Bool { [.dualTLS, .webSocketTLS, .http2, .quic].contains(self) }

    /// The `type` of the links.
    var linkType: Int {
        switch self {
        case .single, .dual, .dualTLS: 0
        case .webSocket, .webSocketTLS: 2
        case .http2: 3
        case .quic: 1
        }
    }
}
