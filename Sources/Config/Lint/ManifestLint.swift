/// Warnings about tunnels that are valid, but probably not what was meant.
enum ManifestLint {
    static func check(_ tunnels: [TunnelDeclaration], mayBindPrivilegedPorts: Bool, _ reader: inout NodeReader) {
        var taken = TakenAddresses()
        for tunnel in tunnels {
            reader.prefix = "tunnels." + tunnel.name
            checkKey(tunnel, &reader)
            checkHandshake(tunnel, &reader)
            let sockets = tunnel.spec.certainSockets
            if tunnel.spec.connectsToItself {
                reader.warn(.tunnelLoop, place(of: "target", tunnel), "target", loopMessage)
            }
            if !mayBindPrivilegedPorts { checkPorts(sockets, tunnel, &reader) }
            if tunnel.running { checkAddresses(sockets, tunnel, &taken, &reader) }
        }
        PairLint.check(tunnels, &reader)
        reader.prefix = ""
    }

    static let privilegedPortMessage = "a port below 1024 needs root or CAP_NET_BIND_SERVICE"
    static let loopMessage = "has the tunnel's own port on this machine: the tunnel would connect to itself"

    static func place(of path: String, _ tunnel: TunnelDeclaration) -> SourceLocation {
        tunnel.fieldSources[path] ?? tunnel.source
    }

    private static func checkKey(_ tunnel: TunnelDeclaration, _ reader: inout NodeReader) {
        guard !reader.tunnelsWithUnknownKey.contains(tunnel.name) else { return }
        guard let problem = KeyStrength.problem(of: tunnel.spec), !problem.isFatal else { return }
        reader.warn(problem.code, place(of: "key", tunnel), "key", problem.message)
    }

    private static func checkHandshake(_ tunnel: TunnelDeclaration, _ reader: inout NodeReader) {
        guard tunnel.spec.handshake == .compatible else { return }
        let message = "is \(HandshakePolicy.compatibleCost)"
        reader.warn(.compatibleHandshake, place(of: "handshake", tunnel), "handshake", message)
    }

    private static func checkPorts(
        _ sockets: [ListenSocket],
        _ tunnel: TunnelDeclaration,
        _ reader: inout NodeReader
    ) {
        for path in ["tunnel", "target"] {
            let low = sockets.contains { $0.path == path && (1..<1024).contains($0.endpoint.port) }
            guard low else { continue }
            reader.warn(.privilegedPort, place(of: path, tunnel), path, privilegedPortMessage)
        }
    }

    private static func checkAddresses(
        _ sockets: [ListenSocket],
        _ tunnel: TunnelDeclaration,
        _ taken: inout TakenAddresses,
        _ reader: inout NodeReader
    ) {
        var reported = Set<String>()
        for socket in sockets {
            guard let owner = taken.take(socket.address, for: tunnel), reported.insert(socket.path).inserted else {
                continue
            }
            let advice = socket.address.problem(sharingWith: owner.address).map { "; \($0)" } ?? ""
            reader.add(
                .warning,
                .addressShared,
                place(of: socket.path, tunnel),
                socket.path,
                "the tunnel '\(owner.name)' listens on this address too\(advice)",
                related: owner.source
            )
        }
    }
}

/// Listening addresses and the tunnels on each, so that 5,000 tunnels are compared without 5,000²
/// comparisons.
private struct TakenAddresses {
    struct Owner {
        let name: String
        let source: SourceLocation
        let address: ListenAddress
    }

    private struct Port: Hashable {
        let number: UInt16
        let transport: TransportProtocol
    }

    private struct Address: Hashable {
        let port: Port
        /// Empty for every address of the machine.
        let host: String
    }

    /// The first of each, and those that share it.
    private var owners: [Address: [Owner]] = [:]
    /// Of those on any address with this port, the first by name.
    private var firstOwners: [Port: Owner] = [:]

    /// Records an address; returns another tunnel that has it already and cannot share it.
    mutating func take(_ listened: ListenAddress, for tunnel: TunnelDeclaration) -> Owner? {
        guard listened.endpoint.port != 0 else { return nil }
        let port = Port(number: listened.endpoint.port, transport: listened.transport)
        let address = Address(port: port, host: listened.canonicalHost)
        let (same, any) = (owners[address] ?? [], firstOwners[port])
        let everywhere = any.flatMap { _ in owners[Address(port: port, host: "")]?.first }
        let rival = same.first { $0.name != tunnel.name && !$0.address.canShare(with: listened) }
        let owner = rival ?? (same.isEmpty ? (address.host.isEmpty ? any : everywhere) : nil)
        if rival == nil, same.last?.name != tunnel.name {
            let new = Owner(name: tunnel.name, source: tunnel.source, address: listened)
            owners[address, default: []].append(new)
            if any.map({ new.name < $0.name }) ?? true { firstOwners[port] = new }
        }
        return owner?.name == tunnel.name ? nil : owner
    }
}
