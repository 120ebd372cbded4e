import Glibc
import Synchronization

/// SQLite's files below one directory, on a disk whose power can be cut.
///
/// While it lives every database that is opened there is watched, by whatever code: counted is what is synced, and
/// known what a cut at this moment would leave. Nothing is really synced, so that a test costs no disk.
package final class WatchedDisk: Sendable {
    private struct State {
        var model = DiskModel()
        var syncs = 0
        /// Changes that still succeed; nil for any number.
        var changesLeft: Int?
        var isOff = false

        /// False when there is no power for this change.
        mutating func spend() -> Bool {
            guard !isOff else { return false }
            guard let left = changesLeft else { return true }
            changesLeft = left - 1
            isOff = left <= 1
            return !isOff
        }
    }

    package let directory: String
    /// Called while SQLite waits for a sync.
    private let onSync: @Sendable () -> Void
    private let state = Mutex(State())

    /// Watches a directory that exists.
    package init(_ directory: String, onSync: @escaping @Sendable () -> Void = {}) {
        self.onSync = onSync
        // SQLite opens what a path leads to.
        let resolved = realpath(directory, nil)
        self.directory = resolved.map { String(cString: $0) } ?? directory
        free(resolved)
        WatchedDisk.all.withLock { $0.append(Reference(disk: self)) }
        WatchingVFS.install()
    }

    /// How often a file was synced.
    package var syncCount: Int { state.withLock { $0.syncs } }
    /// Changes that a cut now could take.
    package var unsyncedCount: Int { state.withLock { $0.model.unsyncedCount } }
    package var isOff: Bool { state.withLock { $0.isOff } }

    /// Power ends with this change from now, a write, a sync, or a file made, cut to a size or removed; it fails, and so
    /// does everything after it.
    package func cut(atChange count: Int) {
        state.withLock { $0.changesLeft = count }
    }

    /// What is on the disk when power is back, by path below `directory`.
    package func remains(using generator: inout some RandomNumberGenerator) -> [String: [UInt8]] {
        let model = state.withLock { $0.model }
        return model.remains(using: &generator)
    }
}

// MARK: - Who watches what

extension WatchedDisk {
    private struct Reference: Sendable {
        weak var disk: WatchedDisk?
    }

    private static let all = Mutex<[Reference]>([])

    /// The disk that this path is on, and its name there.
    static func watching(_ path: String) -> (WatchedDisk, name: String)? {
        all.withLock { references in
            references.removeAll { $0.disk == nil }
            for case let disk? in references.lazy.map(\.disk) where path.hasPrefix(disk.directory + "/") {
                return (disk, String(path.dropFirst(disk.directory.count + 1)))
            }
            return nil
        }
    }
}

// MARK: - What SQLite does

extension WatchedDisk {
    /// Whether a file may be opened; creating one is a change.
    func admits(creating: Bool) -> Bool {
        state.withLock { creating ? $0.spend() : !$0.isOff }
    }

    /// The number of a file that was opened; `bytes` are those of one that was there before.
    func opened(_ name: String, bytes: [UInt8]?) -> Int {
        state.withLock { state in
            if let known = state.model.number(of: name) { return known }
            return bytes.map { state.model.adopt(name, bytes: $0) } ?? state.model.create(name)
        }
    }

    /// The write that power ends with may be there in part.
    func write(_ bytes: [UInt8], at offset: Int, to number: Int) -> Bool {
        state.withLock { state in
            guard !state.isOff else { return false }
            state.model.write(bytes, at: offset, to: number)
            return state.spend()
        }
    }

    func resize(_ number: Int, to size: Int) -> Bool {
        state.withLock { state in
            guard state.spend() else { return false }
            state.model.resize(number, to: size)
            return true
        }
    }

    func sync(_ number: Int, names: Bool) -> Bool {
        onSync()
        return state.withLock { state in
            guard state.spend() else { return false }
            state.model.sync(number)
            if names { state.model.syncNames() }
            state.syncs += 1
            return true
        }
    }

    func remove(_ name: String, names: Bool) -> Bool {
        state.withLock { state in
            guard state.spend() else { return false }
            state.model.remove(name)
            if names { state.model.syncNames() }
            return true
        }
    }
}
