import Config
import NIOCore

/// The sockets that one tunnel has bound.
struct ListenerSet: Sendable {
    private let tunnel: TunnelContext
    private let group: any EventLoopGroup
    private let board: ListenBoard
    private var listeners: [ListenKey: Listener] = [:]

    init(tunnel: TunnelContext, group: any EventLoopGroup, board: ListenBoard) {
        self.tunnel = tunnel
        self.group = group
        self.board = board
    }

    /// What is bound, as the spec says it.
    var held: Set<ListenAddress> { Set(listeners.keys.map(\.address)) }

    /// Where these really listen.
    func addresses(of keys: [ListenKey]) -> [Endpoint] {
        keys.compactMap { listeners[$0]?.address }
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
                let port = key.transport == .udp ? listeners[key.tcpSibling]?.address.port : nil
                listeners[key] = try await Listener.bind(key, port: port, for: tunnel, on: group)
                board.note(key.address, by: tunnel.id)
                bound.append(key)
            } catch {
                await release(bound)
                guard error.reason == .portInUse, let owner = board.owner(of: key.address, besides: tunnel.id) else {
                    throw error
                }
                throw .taken(key.address, by: owner)
            }
        }
    }

    /// Returns when other sockets can bind the addresses; accepted TCP connections live on.
    mutating func release(_ keys: [ListenKey]) async {
        for key in keys {
            await listeners.removeValue(forKey: key)?.close()
            board.forget(key.address, of: tunnel.id)
        }
    }
}
