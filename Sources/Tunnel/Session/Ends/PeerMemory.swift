import Synchronization

/// Which peers of tunnels with `handshake: auto` have been sealed: from then on nothing less is accepted of
/// them.
///
/// Shared by all tunnels of a process. What is remembered outlives the process where `store` keeps it.
package final class PeerMemory: Sendable {
    /// The other end of one tunnel.
    package struct Peer: Sendable, Hashable {
        package let instance: InstanceID
        /// Where a client finds its server, as its spec says it; empty for a server's client.
        package let server: String

        package init(instance: InstanceID, server: String) {
            self.instance = instance
            self.server = server
        }
    }

    /// 32 random bytes from which a server's tokens for QUIC are derived, so that peers of a former life of the
    /// process know them.
    ///
    /// Not the tunnel's key: with such a token someone could try keys without asking any server.
    package let tokenSecret: [UInt8]
    private let known: Mutex<Set<Peer>>
    private let store: @Sendable (Peer) async throws -> Void

    /// Begins with what `store` has kept; `store` returns when its argument cannot be lost any more.
    package init(
        _ known: Set<Peer> = [],
        tokenSecret: [UInt8] = PeerMemory.makeTokenSecret(),
        store: @escaping @Sendable (Peer) async throws -> Void = { _ in }
    ) {
        self.tokenSecret = tokenSecret
        self.known = Mutex(known)
        self.store = store
    }

    package static func makeTokenSecret() -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        return (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    package func isSealed(_ peer: Peer) -> Bool {
        known.withLock { $0.contains(peer) }
    }

    /// Returns when it is stored; only then may a session begin.
    package func remember(_ peer: Peer) async throws {
        guard !isSealed(peer) else { return }
        try await store(peer)
        known.withLock { _ = $0.insert(peer) }
    }

    /// Forgets the peers of one tunnel; the store has forgotten them already.
    package func forget(_ instance: InstanceID) {
        known.withLock { known in known = known.filter { $0.instance != instance } }
    }
}
