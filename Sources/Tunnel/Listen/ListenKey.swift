import Config

/// One address a tunnel listens on, as its spec says it, and what for.
struct ListenKey: Sendable, Hashable {
    let endpoint: Endpoint
    let transport: TransportProtocol
    let purpose: Purpose

    enum Purpose: Sendable, Hashable {
        /// Users, each given a connection to the target; on any loop.
        case singleEnd
        /// Users, each given a link; on the tunnel's loop.
        case entry
        /// Handshakes and links of the client; on the tunnel's loop.
        case tunnelPort
    }

    /// Two keys of which only one can be bound.
    func excludes(_ other: ListenKey) -> Bool {
        self != other && endpoint == other.endpoint && transport == other.transport
    }

    var address: ListenAddress { ListenAddress(endpoint, transport) }

    /// The TCP socket whose port a UDP socket takes over where the system chooses it.
    var tcpSibling: ListenKey { ListenKey(endpoint: endpoint, transport: .tcp, purpose: purpose) }

    /// What a spec listens on, TCP first; `flow` is which way a client's users come, as far as
    /// known.
    static func keys(of spec: TunnelSpec, _ mode: TunnelMode, flow: TunnelFlow?) -> [ListenKey] {
        func users(_ endpoint: Endpoint?, _ purpose: Purpose) -> [ListenKey] {
            guard let endpoint else { return [] }
            return TransportProtocol.allCases.filter(spec.protocols.contains).map {
                ListenKey(endpoint: endpoint, transport: $0, purpose: purpose)
            }
        }
        switch (spec.role, mode) {
        case (.client, .one): return users(spec.tunnel, .singleEnd)
        case (.client, _): return flow == .forward ? users(spec.targets.first, .entry) : []
        case (.server, _):
            let tunnelPort = ListenKey(endpoint: spec.tunnel, transport: .tcp, purpose: .tunnelPort)
            return (mode == .one ? users(spec.targets.first, .entry) : []) + [tunnelPort]
        }
    }
}
