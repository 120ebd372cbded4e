import Config
package import FoundationEssentials
import GRDB
package import Tunnel

/// Which peers have been sealed, for ends with `handshake: auto`.
extension StateStore {
    package func sealedPeers() throws(StateStoreError) -> Set<PeerMemory.Peer> {
        try read { database in
            let rows = try Row.fetchAll(database, sql: "SELECT instance_id, server FROM sealed_peer")
            return Set(rows.map { PeerMemory.Peer(instance: $0["instance_id"], server: $0["server"]) })
        }
    }

    /// Returns when it is on disk; fails for an instance that has been deleted meanwhile.
    package func rememberSealed(_ peer: PeerMemory.Peer, now: Date = Date()) async throws(StateStoreError) {
        try await writeAsync { database in
            try database.execute(
                sql: "INSERT OR IGNORE INTO sealed_peer (instance_id, server, since) VALUES (?, ?, ?)",
                arguments: [peer.instance, peer.server, now]
            )
        }
    }

    /// See ``PeerMemory/tokenSecret``; made at the first call.
    package func tokenSecret() throws(StateStoreError) -> [UInt8] {
        if let kept = try setting(Self.tokenSecretName).flatMap({ Hex.bytes($0) }) { return kept }
        let new = PeerMemory.makeTokenSecret()
        try setSettings([Self.tokenSecretName: Hex.text(new)])
        return new
    }

    private static let tokenSecretName = "token-secret"

    func forgetPeers(of ids: [InstanceID]) throws(StateStoreError) {
        try write { database in
            for id in ids {
                try database.execute(sql: "DELETE FROM sealed_peer WHERE instance_id = ?", arguments: [id])
            }
        }
    }
}
