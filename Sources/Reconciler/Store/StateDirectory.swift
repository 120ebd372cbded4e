import Config
import FoundationEssentials
import Glibc

/// The directory of one daemon: its mode, its lock, and what happens to a database that cannot be read.
struct StateDirectory: Sendable {
    let path: String

    var database: String { "\(path)/state.db" }
    private var lockFile: String { "\(path)/state.lock" }
    /// SQLite's own files beside the database.
    private static let suffixes = ["", "-wal", "-shm"]

    /// Creates the directory (and its parents) for its owner alone; a present one is closed to everybody else.
    func prepare() throws(StateStoreError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw .notWritable(path: path, problem: StateDirectory.words(for: errno))
        }
        guard chmod(path, 0o700) == 0 else {
            throw .notWritable(path: path, problem: StateDirectory.words(for: errno))
        }
    }

    /// Takes the lock that lets one daemon alone use the directory; the kernel gives it back when the process ends.
    func lock() throws(StateStoreError) -> DirectoryLock {
        let descriptor = open(lockFile, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .notWritable(path: lockFile, problem: StateDirectory.words(for: errno))
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw .locked(directory: path)
        }
        return DirectoryLock(descriptor: descriptor)
    }

    /// Makes the database file (if absent) readable by its owner alone, before SQLite can create it wider.
    func protectDatabase() throws(StateStoreError) {
        let descriptor = open(database, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .notWritable(path: database, problem: StateDirectory.words(for: errno))
        }
        defer { close(descriptor) }
        guard fchmod(descriptor, 0o600) == 0 else {
            throw .notWritable(path: database, problem: StateDirectory.words(for: errno))
        }
    }

    var hasDatabase: Bool { access(database, F_OK) == 0 }

    /// True when the database once held something and is a file of no bytes now.
    func isEmptied(_ lock: DirectoryLock) -> Bool {
        lock.isMarked && FileState(path: database)?.size == 0
    }

    /// The newest database that was moved aside; while it is there without another one, no empty state is created.
    var unreadable: String? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        let aside = names.filter { name in
            name.hasPrefix("state.db.unreadable-") && !name.hasSuffix("-wal") && !name.hasSuffix("-shm")
        }
        return aside.max().map { "\(path)/\($0)" }
    }

    /// Moves the database and its companions to `state.db.unreadable-<time>` and returns its new path.
    func moveAside(now: Date) throws(StateStoreError) -> String {
        let base = "\(database).unreadable-\(UInt64(max(0, now.timeIntervalSince1970)))"
        var target = base
        var attempt = 1
        while access(target, F_OK) == 0 {
            attempt += 1
            target = "\(base).\(attempt)"
        }
        for suffix in StateDirectory.suffixes where access(database + suffix, F_OK) == 0 {
            guard rename(database + suffix, target + suffix) == 0 else {
                throw .notWritable(path: path, problem: StateDirectory.words(for: errno))
            }
        }
        return target
    }

    static func words(for code: Int32) -> String {
        String(cString: strerror(code))
    }
}

/// Holds the directory's lock for as long as it lives.
final class DirectoryLock: Sendable {
    private let descriptor: Int32

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// Remembers that a database has been made here, so that one cut to nothing is not taken for a first start.
    func mark(_ made: Bool) {
        _ = ftruncate(descriptor, made ? 1 : 0)
    }

    var isMarked: Bool {
        lseek(descriptor, 0, SEEK_END) > 0
    }

    deinit {
        // Not left to `close`: a child process that is just starting holds a copy of the descriptor, and so the lock.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
