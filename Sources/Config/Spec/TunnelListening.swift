/// Which addresses of this machine a tunnel takes, as far as its spec alone says.
enum TunnelListening {
    struct Listener: Hashable {
        let endpoint: Endpoint
        let carried: TransportProtocol
        /// The key of the manifest that names it.
        let path: String
    }

    /// Only what is certain: which side listens in mode auto is found out at run time.
    static func listeners(of spec: TunnelSpec) -> [Listener] {
        switch (spec.role, spec.mode) {
        case (.server, .one):
            return meeting(spec) + spec.targets.prefix(1).flatMap { users(spec, at: $0, "target") }
        case (.server, _):
            return meeting(spec)
        case (.client, .one):
            return users(spec, at: spec.tunnel, "tunnel")
        case (.client, .auto) where spec.tunnel.isUnspecified || spec.tunnel.isLoopback:
            return users(spec, at: spec.tunnel, "tunnel")
        case (.client, _):
            return []
        }
    }

    static let loopMessage = "has the tunnel's own port on this host: the tunnel would connect to itself"

    /// NodePass's rule: a target has the tunnel's port, and is on this host or the tunnel has every address of it.
    static func loops(_ spec: TunnelSpec, _ listeners: [Listener]) -> Bool {
        let listensThere = listeners.contains { $0.path == "tunnel" }
        guard listensThere, spec.tunnel.port != 0 else { return false }
        return spec.targets.contains { target in
            target.port == spec.tunnel.port
                && (target.isLoopback || target.isUnspecified || spec.tunnel.isUnspecified)
        }
    }

    /// Where a server meets its client: TCP, and UDP too when links are QUIC.
    private static func meeting(_ spec: TunnelSpec) -> [Listener] {
        let carried: [TransportProtocol] = spec.transport == .quic ? [.tcp, .udp] : [.tcp]
        return carried.map { Listener(endpoint: spec.tunnel, carried: $0, path: "tunnel") }
    }

    private static func users(_ spec: TunnelSpec, at endpoint: Endpoint, _ path: String) -> [Listener] {
        TransportProtocol.allCases.filter(spec.protocols.contains).map {
            Listener(endpoint: endpoint, carried: $0, path: path)
        }
    }
}
