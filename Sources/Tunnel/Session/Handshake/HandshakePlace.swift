import Config

/// Where a server takes requests, so that a site can carry a tunnel beside its pages.
package struct HandshakePlace: Sendable, Hashable {
    /// Of handshakes and WebSockets; nil for `/` and any.
    package var path: String?
    /// The name in their `Host`; nil for any.
    package var host: String?

    package init(path: String? = nil, host: String? = nil) {
        self.path = path
        self.host = host
    }

    init(_ spec: TunnelSpec) {
        self.init(path: spec.path, host: spec.host)
    }

    /// What is wrong with a handshake there, in NodePass's order of checks.
    func problem(with request: HandshakeRequest) -> HandshakeRefusal? {
        if request.method != "GET" { return .methodNotAllowed }
        return request.path == path ?? "/" && isHost(of: request) ? nil : .notFound
    }

    /// Whether a request for a WebSocket belongs there.
    func takesLink(_ request: HandshakeRequest) -> Bool {
        request.method == "GET" && (path == nil || request.path == path) && isHost(of: request)
    }

    private func isHost(of request: HandshakeRequest) -> Bool {
        guard let host else { return true }
        // A port may follow.
        let asked = request.host?.lowercased() ?? ""
        return asked == host.lowercased() || asked.hasPrefix(host.lowercased() + ":")
    }
}
