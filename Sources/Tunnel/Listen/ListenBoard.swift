import Config
import Synchronization

/// Which tunnels have bound which address: one that finds its address taken by another names it.
final class ListenBoard: Sendable {
    private let owners = Mutex<[ListenAddress: [InstanceID: ListenAddress]]>([:])
    /// How people know the tunnels.
    private let labels = Mutex<[InstanceID: String]>([:])

    func label(_ id: InstanceID, _ label: String) {
        labels.withLock { $0[id] = label }
    }

    func label(of id: InstanceID) -> String { labels.withLock { $0[id] } ?? id }

    func forget(_ id: InstanceID) {
        labels.withLock { $0[id] = nil }
    }

    func note(_ address: ListenAddress, by id: InstanceID) {
        owners.withLock { $0[address, default: [:]][id] = address }
    }

    func forget(_ address: ListenAddress, of id: InstanceID) {
        owners.withLock { owners in
            owners[address]?[id] = nil
            if owners[address]?.isEmpty == true { owners[address] = nil }
        }
    }

    /// Another tunnel that listens where this one wants to, and what it has there.
    func owner(of address: ListenAddress, besides id: InstanceID) -> (id: InstanceID, address: ListenAddress)? {
        owners.withLock { owners in
            let rivals = owners.values.joined().filter { $0.key != id && $0.value.certainlyConflicts(with: address) }
            return rivals.min { $0.key < $1.key }.map { (id: $0.key, address: $0.value) }
        }
    }
}
