/// An address of this machine that a tunnel listens at, as its spec has it.
package struct ListenAddress: Sendable, Hashable {
    package let endpoint: Endpoint
    package let transport: TransportProtocol

    package init(_ endpoint: Endpoint, _ transport: TransportProtocol) {
        self.endpoint = endpoint
        self.transport = transport
    }

    /// Two tunnels cannot both have them, or perhaps not: a name may resolve to any host.
    package func conflicts(with other: ListenAddress) -> Bool {
        sharesPort(with: other) && (isEverywhere(beside: other) || mayShareHost(with: other))
    }

    /// Two tunnels cannot both have them, whatever names resolve to.
    package func certainlyConflicts(with other: ListenAddress) -> Bool {
        sharesPort(with: other) && (isEverywhere(beside: other) || canonicalHost == other.canonicalHost)
    }

    /// One text for one host: the canonical form of an address, or the name as it is; empty for
    /// every address of the machine.
    var canonicalHost: String {
        if endpoint.isUnspecified { return "" }
        return IPAddress(endpoint.host)?.description ?? endpoint.host
    }

    /// Port 0 is another one each time: the system chooses it.
    private func sharesPort(with other: ListenAddress) -> Bool {
        transport == other.transport && endpoint.port == other.endpoint.port && endpoint.port != 0
    }

    private func isEverywhere(beside other: ListenAddress) -> Bool {
        endpoint.isUnspecified || other.endpoint.isUnspecified
    }

    private func mayShareHost(with other: ListenAddress) -> Bool {
        let hosts = [endpoint.host, other.endpoint.host]
        return canonicalHost == other.canonicalHost || hosts.contains { IPAddress($0) == nil }
    }
}

extension Set<ListenAddress> {
    package func conflicts(with others: Set<ListenAddress>) -> Bool {
        contains { one in others.contains { $0.conflicts(with: one) } }
    }
}
