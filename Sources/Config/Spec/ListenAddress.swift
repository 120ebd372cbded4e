/// An address of this machine that a tunnel listens at, as its spec has it.
///
/// Two are equal where both are the same place, whatever a tunnel expects there.
package struct ListenAddress: Sendable, Hashable {
    package let endpoint: Endpoint
    package let transport: TransportProtocol
    /// Set where the clients of a server connect, which may say which of several servers they mean.
    package let door: ServerDoor?

    package init(_ endpoint: Endpoint, _ transport: TransportProtocol, door: ServerDoor? = nil) {
        self.endpoint = endpoint
        self.transport = transport
        self.door = door
    }

    package static func == (a: ListenAddress, b: ListenAddress) -> Bool {
        a.endpoint == b.endpoint && a.transport == b.transport
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(endpoint)
        hasher.combine(transport)
    }

    /// Both are the same place, and clients there can say which they mean.
    package func canShare(with other: ListenAddress) -> Bool {
        guard let door, let othersDoor = other.door else { return false }
        return sharesPort(with: other) && canonicalHost == other.canonicalHost
            && door.problem(beside: othersDoor) == nil
    }

    /// What to change so that two servers can listen there; nil where nothing helps, or nothing is wrong.
    package func problem(sharingWith other: ListenAddress) -> String? {
        guard let door, let othersDoor = other.door else { return nil }
        guard canonicalHost == other.canonicalHost else { return "servers at one port need the same host" }
        return door.problem(beside: othersDoor)
    }

    /// Two tunnels cannot both have them, or perhaps not: a name may resolve to any host.
    package func conflicts(with other: ListenAddress) -> Bool {
        sharesPort(with: other) && !canShare(with: other)
            && (isEverywhere(beside: other) || mayShareHost(with: other))
    }

    /// Two tunnels cannot both have them, whatever names resolve to.
    package func certainlyConflicts(with other: ListenAddress) -> Bool {
        sharesPort(with: other) && !canShare(with: other)
            && (isEverywhere(beside: other) || canonicalHost == other.canonicalHost)
    }

    /// One text for one host: the canonical form of an address, or the name as it is; empty for
    /// every address of the machine.
    package var canonicalHost: String {
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
