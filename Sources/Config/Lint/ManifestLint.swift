/// Warnings about tunnels that are valid each by itself but probably not meant so.
enum ManifestLint {
    static func check(_ tunnels: [TunnelDeclaration], mayBindPrivilegedPorts: Bool, _ reader: inout NodeReader) {
        var taken = TakenAddresses()
        for tunnel in tunnels {
            reader.prefix = "tunnels." + tunnel.name
            checkKey(tunnel, &reader)
            let listeners = TunnelListening.listeners(of: tunnel.spec)
            if TunnelListening.loops(tunnel.spec, listeners) {
                reader.warn(.tunnelLoop, place(of: "target", tunnel), "target", TunnelListening.loopMessage)
            }
            if !mayBindPrivilegedPorts { checkPorts(listeners, tunnel, &reader) }
            if tunnel.running { checkAddresses(listeners, tunnel, &taken, &reader) }
        }
        checkPairs(tunnels, &reader)
        reader.prefix = ""
    }

    static func place(of path: String, _ tunnel: TunnelDeclaration) -> SourceLocation {
        tunnel.fieldSources[path] ?? tunnel.source
    }

    private static func checkKey(_ tunnel: TunnelDeclaration, _ reader: inout NodeReader) {
        let hasTwoEnds = tunnel.spec.role == .server || tunnel.spec.mode == .two
        guard hasTwoEnds, tunnel.spec.key == nil else { return }
        let message = "no tunnel key is set: anybody who knows the port can compute the default"
        reader.warn(.noKey, tunnel.source, "key", message)
    }

    private static func checkPorts(
        _ listeners: [TunnelListening.Listener],
        _ tunnel: TunnelDeclaration,
        _ reader: inout NodeReader
    ) {
        for path in ["tunnel", "target"] {
            let low = listeners.contains { $0.path == path && (1..<1024).contains($0.endpoint.port) }
            guard low else { continue }
            let message = "a port below 1024 needs root or CAP_NET_BIND_SERVICE"
            reader.warn(.privilegedPort, place(of: path, tunnel), path, message)
        }
    }

    private static func checkAddresses(
        _ listeners: [TunnelListening.Listener],
        _ tunnel: TunnelDeclaration,
        _ taken: inout TakenAddresses,
        _ reader: inout NodeReader
    ) {
        var reported = Set<String>()
        for listener in listeners {
            guard let owner = taken.take(listener, for: tunnel), reported.insert(listener.path).inserted else {
                continue
            }
            reader.add(
                .warning,
                .addressShared,
                place(of: listener.path, tunnel),
                listener.path,
                "the tunnel '\(owner.name)' listens on this address too",
                related: owner.source
            )
        }
    }
}

/// Listening addresses and the first tunnel on each, so that 5,000 tunnels are compared without 5,000² comparisons.
private struct TakenAddresses {
    struct Owner {
        let name: String
        let source: SourceLocation
    }

    private struct Port: Hashable {
        let number: UInt16
        let carried: TransportProtocol
    }

    private struct Address: Hashable {
        let port: Port
        /// Empty for every address of the machine.
        let host: String
    }

    private var owners: [Address: Owner] = [:]
    /// Of those on any address with this port, the first by name.
    private var firstOwners: [Port: Owner] = [:]

    /// Records an address; returns another tunnel that has it already.
    mutating func take(_ listener: TunnelListening.Listener, for tunnel: TunnelDeclaration) -> Owner? {
        let endpoint = listener.endpoint
        guard endpoint.port != 0 else { return nil }
        let port = Port(number: endpoint.port, carried: listener.carried)
        let address = Address(port: port, host: endpoint.isUnspecified ? "" : endpoint.host)
        let (same, any) = (owners[address], firstOwners[port])
        let owner = same ?? (address.host.isEmpty ? any : any.flatMap { _ in owners[Address(port: port, host: "")] })
        if same == nil {
            let new = Owner(name: tunnel.name, source: tunnel.source)
            owners[address] = new
            if any.map({ new.name < $0.name }) ?? true { firstOwners[port] = new }
        }
        return owner?.name == tunnel.name ? nil : owner
    }
}
