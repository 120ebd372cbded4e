package import Config

/// A socket a tunnel binds, or may bind once its mode is resolved, as its spec says it.
package struct ListenAddress: Sendable, Hashable {
    package let endpoint: Endpoint
    package let transport: TransportProtocol

    package init(_ endpoint: Endpoint, _ transport: TransportProtocol) {
        self.endpoint = endpoint
        self.transport = transport
    }

    /// Two tunnels can not both have them: same transport and port, and hosts that are or may be
    /// the same.
    package func conflicts(with other: ListenAddress) -> Bool {
        guard transport == other.transport, endpoint.port == other.endpoint.port, endpoint.port != 0 else {
            return false
        }
        return endpoint.isUnspecified || other.endpoint.isUnspecified || endpoint.mayShareHost(with: other.endpoint)
    }
}

extension Set<ListenAddress> {
    package func conflicts(with others: Set<ListenAddress>) -> Bool {
        contains { one in others.contains { $0.conflicts(with: one) } }
    }
}

extension Endpoint {
    /// Equal, another way to write one address, or a name, which may stand for any.
    fileprivate func mayShareHost(with other: Endpoint) -> Bool {
        guard host != other.host, let own = IPAddress(host), let others = IPAddress(other.host) else { return true }
        return own == others
    }
}

extension TunnelSpec {
    /// What this tunnel binds, addresses that depend on an unresolved mode included.
    ///
    /// The tunnel address for servers and single-end clients; the first target where traffic comes
    /// in there: a reverse server, and a client whose server dials.
    package var listenAddresses: Set<ListenAddress> {
        var addresses: Set<ListenAddress> = []
        func add(_ endpoint: Endpoint?, _ transports: Set<TransportProtocol>) {
            guard let endpoint else { return }
            for transport in transports { addresses.insert(ListenAddress(endpoint, transport)) }
        }
        switch role {
        case .server:
            add(tunnel, transport == .quic ? [.tcp, .udp] : [.tcp])
            if mode != .two { add(targets.first, protocols) }
        case .client:
            if mode != .two { add(tunnel, protocols) }
            if mode != .one { add(targets.first, protocols) }
        }
        return addresses
    }

    /// Those of `listenAddresses` that neither a peer nor a trial decides about.
    package var certainAddresses: Set<ListenAddress> {
        switch (role, mode) {
        case (.client, .one), (.server, .one), (.server, .two): return listenAddresses
        case (.client, _): return []
        case (.server, .auto):
            var forward = self
            forward.mode = .two
            return forward.listenAddresses
        }
    }
}
