/// Warnings about a client that connects to a server of the same manifest and cannot work with it.
///
/// Only what is certain is reported: the client's address has to lead to that server and to no
/// other.
enum PairLint {
    static func check(_ tunnels: [TunnelDeclaration], _ reader: inout NodeReader) {
        let servers = ServersByAddress(tunnels)
        for client in tunnels where client.running && connectsToServer(client.spec) {
            guard let server = servers.server(for: client.spec) else { continue }
            reader.prefix = "tunnels." + client.name
            for problem in problems(server, client) {
                reader.add(
                    .warning,
                    .pairMismatch,
                    ManifestLint.place(of: problem.path, client),
                    problem.path,
                    problem.message,
                    related: server.source
                )
            }
        }
    }

    /// What differs, at the client's key where it can be changed; never a value, which may be a
    /// secret.
    private struct PairProblem {
        let path: String
        let message: String
    }

    /// A client either listens at its tunnel address or connects to a server there.
    private static func connectsToServer(_ spec: TunnelSpec) -> Bool {
        spec.role == .client && !spec.certainSockets.contains { $0.path == "tunnel" }
    }

    private static func problems(_ server: TunnelDeclaration, _ client: TunnelDeclaration) -> [PairProblem] {
        [
            services(server, client), keys(server, client), handshakes(server, client), tls(server, client),
            protocols(server, client), loop(server, client),
        ].compactMap { $0 }
    }

    private static func services(_ server: TunnelDeclaration, _ client: TunnelDeclaration) -> PairProblem? {
        guard server.spec.service != client.spec.service else { return nil }
        let message =
            "differs from that of the server '\(server.name)' at this address: the client would get no tunnel"
        return PairProblem(path: "service", message: message + "; give both the same service")
    }

    private static func keys(_ server: TunnelDeclaration, _ client: TunnelDeclaration) -> PairProblem? {
        guard server.spec.effectiveKey != client.spec.effectiveKey else { return nil }
        let difference =
            switch (server.spec.key, client.spec.key) {
            case (_, nil): "is not set, but the server '\(server.name)' at this address has one"
            case (nil, _): "is set, but the server '\(server.name)' at this address has none"
            default: "differs from that of the server '\(server.name)' at this address"
            }
        return PairProblem(path: "key", message: difference + ": it would refuse the client; give both the same key")
    }

    private static func handshakes(_ server: TunnelDeclaration, _ client: TunnelDeclaration) -> PairProblem? {
        let policies = Set([server.spec.handshake, client.spec.handshake])
        guard policies == [.sealed, .compatible] else { return nil }
        let message =
            "does not fit that of the server '\(server.name)' at this address: one end takes the sealed one only"
        return PairProblem(path: "handshake", message: message + ", the other that of v1.14; give both auto or sealed")
    }

    private static func tls(_ server: TunnelDeclaration, _ client: TunnelDeclaration) -> PairProblem? {
        guard let least = client.spec.tls, least.code > server.spec.tls?.code ?? 0 else { return nil }
        let message =
            "asks for more than the server '\(server.name)' at this address has: this client would not connect"
        return PairProblem(path: "tls", message: message + "; raise tls there, or lower it here")
    }

    private static func protocols(_ server: TunnelDeclaration, _ client: TunnelDeclaration) -> PairProblem? {
        guard server.spec.protocols.isDisjoint(with: client.spec.protocols) else { return nil }
        let message =
            "has nothing in common with the server '\(server.name)' at this address: the tunnel would carry nothing"
        return PairProblem(path: "protocols", message: message + "; give both the same protocols")
    }

    /// The exit connects to where users come in; in mode auto, either end may be the exit.
    private static func loop(_ server: TunnelDeclaration, _ client: TunnelDeclaration) -> PairProblem? {
        guard !server.spec.protocols.isDisjoint(with: client.spec.protocols) else { return nil }
        func returns(_ exit: TunnelSpec, to entry: TunnelSpec) -> Bool {
            entry.targets.first.map { entry in exit.targets.contains { LocalAddress.leads($0, to: entry) } } ?? false
        }
        let reverse = returns(client.spec, to: server.spec)
        let forward = returns(server.spec, to: client.spec)
        let ways =
            switch server.spec.mode {
            case .one: reverse ? "the server '\(server.name)' would listen there and this client connect to it" : nil
            case .two: forward ? "this client would listen there and the server '\(server.name)' connect to it" : nil
            case .auto:
                reverse && forward ? "this client and the server '\(server.name)' have one target on this machine" : nil
            }
        let advice = ": the tunnel would lead back into itself; change one of the two targets"
        return ways.map { PairProblem(path: "target", message: $0 + advice) }
    }
}

/// Servers by the addresses their clients connect to, so that 5,000 pairs are found without 5,000²
/// comparisons.
private struct ServersByAddress {
    private var claims: [LocalAddress: [TunnelDeclaration]] = [:]

    init(_ tunnels: [TunnelDeclaration]) {
        for tunnel in tunnels where tunnel.running && tunnel.spec.role == .server {
            for address in LocalAddress.listened(tunnel.spec.tunnel) {
                claims[address, default: []].append(tunnel)
            }
        }
    }

    /// The one server that this client's connections arrive at; nil where that is not certain.
    func server(for client: TunnelSpec) -> TunnelDeclaration? {
        var found: TunnelDeclaration?
        for case let all? in LocalAddress.dialed(client.tunnel).map({ claims[$0] }) {
            let meant = all.count == 1 ? all : all.filter { $0.spec.service == client.service }
            guard meant.count == 1, found == nil || found?.name == meant[0].name else { return nil }
            found = meant[0]
        }
        return found
    }
}
