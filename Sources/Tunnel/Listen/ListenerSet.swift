import Config
import NIOCore

/// The sockets that one tunnel has bound, and the tunnel ports that it is at.
struct ListenerSet: Sendable {
    private enum Place: Sendable {
        case own(Listener)
        case port(TunnelPort, Endpoint)

        var address: Endpoint {
            switch self {
            case .own(let listener): listener.address
            case .port(_, let address): address
            }
        }
    }

    private let tunnel: TunnelContext
    private let group: any EventLoopGroup
    private let board: ListenBoard
    private let ports: TunnelPorts
    private var places: [ListenKey: Place] = [:]

    init(tunnel: TunnelContext, group: any EventLoopGroup, board: ListenBoard, ports: TunnelPorts) {
        self.tunnel = tunnel
        self.group = group
        self.board = board
        self.ports = ports
    }

    /// What is bound, as the spec says it.
    var held: Set<ListenAddress> { Set(places.keys.map(\.address)) }

    /// Where these really listen.
    func addresses(of keys: [ListenKey]) -> [Endpoint] {
        keys.compactMap { places[$0]?.address }
    }

    /// Binds all of these, or none.
    mutating func bind(_ keys: [ListenKey]) async throws(TunnelError) {
        var attemptsLeft = TunnelLimits.portChoices
        while true {
            do {
                return try await bindOnce(keys)
            } catch {
                // The system chose a TCP port whose UDP sibling is taken: it may choose another.
                attemptsLeft -= 1
                let isChosen = keys.contains { $0.endpoint.port == 0 && $0.transport == .udp }
                guard isChosen, error.reason == .portInUse, attemptsLeft > 0 else { throw error }
            }
        }
    }

    private mutating func bindOnce(_ keys: [ListenKey]) async throws(TunnelError) {
        var bound: [ListenKey] = []
        for key in keys {
            do {
                places[key] = try await place(of: key)
                board.note(key.address, by: tunnel.id)
                bound.append(key)
            } catch {
                await release(bound)
                guard error.reason == .portInUse, let owner = board.owner(of: key.address, besides: tunnel.id) else {
                    throw error
                }
                let problem = key.address.problem(sharingWith: owner.address)
                throw .taken(key.address, by: owner.id, labeled: board.label(of: owner.id), problem)
            }
        }
    }

    private func place(of key: ListenKey) async throws(TunnelError) -> Place {
        let chosen = key.transport == .udp ? places[key.tcpSibling]?.address.port : nil
        guard key.purpose == .links else {
            return .own(try await Listener.bind(key, port: chosen, for: tunnel, on: group))
        }
        let (tunnel, group) = (tunnel, group)
        let (port, address) = try await ports.enter(key, tunnel) { port async throws(TunnelError) in
            try await Listener.bind(key, port: chosen, for: tunnel, at: port, on: group)
        }
        return .port(port, address)
    }

    /// Returns when other sockets can bind the addresses; accepted TCP connections live on.
    mutating func release(_ keys: [ListenKey]) async {
        for key in keys {
            switch places.removeValue(forKey: key) {
            case .own(let listener)?: await listener.close()
            case .port(let port, _)?: await ports.leave(port, tunnel)
            case nil: break
            }
            board.forget(key.address, of: tunnel.id)
        }
    }
}
