package import Config

/// An address a tunnel listens on, or may listen on once its mode is resolved.
package struct ListenAddress: Sendable, Hashable {
    package let endpoint: Endpoint

    package init(_ endpoint: Endpoint) {
        self.endpoint = endpoint
    }

    /// Two listeners can not both have them: same port, and the same host or one that stands for all.
    package func conflicts(with other: ListenAddress) -> Bool {
        guard endpoint.port == other.endpoint.port, endpoint.port != 0 else { return false }
        return endpoint.host == other.endpoint.host || endpoint.isUnspecified || other.endpoint.isUnspecified
    }
}

extension TunnelSpec {
    /// The addresses this tunnel binds, those that depend on an unresolved mode included.
    ///
    /// The tunnel address for servers and single-end clients; the first target where traffic comes in there: a reverse
    /// server, and a client whose server dials.
    package var listenAddresses: Set<ListenAddress> {
        var addresses: Set<ListenAddress> = []
        if role == .server || mode != .two { addresses.insert(ListenAddress(tunnel)) }
        let bindsTarget =
            switch role {
            case .server: mode != .two
            case .client: mode != .one
            }
        if bindsTarget, let first = targets.first { addresses.insert(ListenAddress(first)) }
        return addresses
    }
}
