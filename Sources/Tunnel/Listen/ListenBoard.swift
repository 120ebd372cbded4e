import Config
import Synchronization

/// Which tunnel has bound which address: one that finds its address taken by another names it.
final class ListenBoard: Sendable {
    private let owners = Mutex<[ListenAddress: InstanceID]>([:])

    func note(_ address: ListenAddress, by id: InstanceID) {
        owners.withLock { $0[address] = id }
    }

    func forget(_ address: ListenAddress, of id: InstanceID) {
        owners.withLock { owners in
            if owners[address] == id { owners[address] = nil }
        }
    }

    /// Another tunnel that listens where this one wants to.
    func owner(of address: ListenAddress, besides id: InstanceID) -> InstanceID? {
        owners.withLock { owners in
            owners.filter { $0.value != id && $0.key.certainlyConflicts(with: address) }.map(\.value).min()
        }
    }
}
