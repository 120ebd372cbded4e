/// Warnings about a server and a client of one manifest that meet at one address and can not work together.
///
/// Only what is certain is said: the client's address has to lead to that server and to no other, whoever runs it.
extension ManifestLint {
    static func checkPairs(_ tunnels: [TunnelDeclaration], _ reader: inout NodeReader) {
        let servers = MeetingServers(tunnels)
        for client in tunnels where client.running && meetsServer(client.spec) {
            guard let server = servers.server(for: client.spec.tunnel) else { continue }
            reader.prefix = "tunnels." + client.name
            for problem in problems(server, client) {
                reader.add(
                    .warning,
                    .pairMismatch,
                    place(of: problem.path, client),
                    problem.path,
                    problem.message,
                    related: server.source
                )
            }
        }
    }

    /// What differs, at the client's key it can be mended at; never a value, which may be a secret.
    private struct PairProblem {
        let path: String
        let message: String
    }

    /// A client in mode auto whose address is local would listen there itself.
    private static func meetsServer(_ spec: TunnelSpec) -> Bool {
        guard spec.role == .client else { return false }
        switch spec.mode {
        case .one: return false
        case .two: return true
        case .auto: return !spec.tunnel.isUnspecified && !spec.tunnel.isLoopback
        }
    }

    private static func problems(_ server: TunnelDeclaration, _ client: TunnelDeclaration) -> [PairProblem] {
        [
            keys(server, client), protocols(server, client), loop(server, client),
        ].compactMap { $0 }
    }

    private static func keys(_ server: TunnelDeclaration, _ client: TunnelDeclaration) -> PairProblem? {
        guard server.spec.effectiveKey != client.spec.effectiveKey else { return nil }
        let difference =
            switch (server.spec.key, client.spec.key) {
            case (_, nil): "is not set, but the server '\(server.name)' at this address has one"
            case (nil, _): "is set, but the server '\(server.name)' at this address has none"
            default: "differs from that of the server '\(server.name)' at this address"
            }
        return PairProblem(path: "key", message: difference + ": it would turn the client away; give both the same key")
    }

    private static func protocols(_ server: TunnelDeclaration, _ client: TunnelDeclaration) -> PairProblem? {
        guard server.spec.protocols.isDisjoint(with: client.spec.protocols) else { return nil }
        let message = "has nothing in common with the server '\(server.name)' at this address: nothing could pass"
        return PairProblem(path: "protocols", message: message + "; give both the same protocols")
    }

    /// Users come in where the exit sends them to; in mode auto, whichever end turns out to listen.
    private static func loop(_ server: TunnelDeclaration, _ client: TunnelDeclaration) -> PairProblem? {
        guard !server.spec.protocols.isDisjoint(with: client.spec.protocols) else { return nil }
        func returns(_ exit: TunnelSpec, to entry: TunnelSpec) -> Bool {
            entry.targets.first.map { entry in exit.targets.contains { LocalPlace.leads($0, to: entry) } } ?? false
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

/// Servers by the places they meet their clients at, so that 5,000 pairs are found without 5,000² comparisons.
private struct MeetingServers {
    private enum Claim {
        case one(TunnelDeclaration)
        /// Which of them a client would reach is not certain.
        case several
    }

    private var claims: [LocalPlace: Claim] = [:]

    init(_ tunnels: [TunnelDeclaration]) {
        for tunnel in tunnels where tunnel.running && tunnel.spec.role == .server {
            for place in LocalPlace.listened(tunnel.spec.tunnel) {
                claims[place] = claims[place] == nil ? .one(tunnel) : .several
            }
        }
    }

    /// The one server a connection to this address arrives at.
    func server(for address: Endpoint) -> TunnelDeclaration? {
        var found: TunnelDeclaration?
        for case let claim? in LocalPlace.dialled(address).map({ claims[$0] }) {
            guard case .one(let server) = claim, found == nil || found?.name == server.name else { return nil }
            found = server
        }
        return found
    }
}
