import Config
package import FoundationEssentials
import GRDB
import Synchronization
import Tunnel

/// Everything the daemon must not forget, in one SQLite file: instances, overrides, settings and events.
///
/// Writes are synchronous and durable when they return (`synchronous=FULL` on a write-ahead log), so that an answered
/// request survives a power cut; a database that does not work this way is not opened. Open it with `sqlite3` to look
/// around: every column is meant to be read by people.
///
/// `StateStore+Schema` is the migrations, `+Instances`, `+Settings`, `+Events` and `+Secrets` the statements.
package final class StateStore: Sendable {
    /// Events kept of each log for clients that resume; older ones are pruned.
    package static let eventLimit = 10_000
    /// Events written between two prunes, so that pruning costs little.
    package static let pruneInterval = 1_000
    /// How long a writer waits for another process, such as `sqlite3`, before it gives up.
    static let busyTimeoutSeconds = 5.0

    package let directory: String
    /// Modes that are wider than they should be, and that could not be changed.
    package let modeProblems: [String]
    let path: String
    let database: DatabaseQueue
    /// Text that was replaced is still in the log.
    let owesScrub = Atomic(false)
    private let lock: DirectoryLock
    /// The file as it was opened.
    private let opened: FileState?

    private init(
        directory: StateDirectory,
        database: DatabaseQueue,
        lock: DirectoryLock,
        modeProblems: [String]
    ) {
        self.directory = directory.path
        self.modeProblems = modeProblems
        self.path = directory.database
        opened = FileState(path: directory.database)
        self.database = database
        self.lock = lock
    }

    /// Opens the state of one daemon, creating it where none is.
    ///
    /// A database that cannot be read is moved aside and the call fails. It fails again until a backup
    /// is put back, or `reset` asks for an empty state. State is never replaced silently.
    package static func open(
        directory path: String,
        reset: Bool = false,
        now: Date = Date()
    ) throws(StateStoreError) -> StateStore {
        // Messages name it, and their reader may have another current directory.
        let absolute = TextFile.absolute(path, from: FileManager.default.currentDirectoryPath)
        return try open(StateDirectory(path: absolute), reset: reset, now: now)
    }

    static func open(_ directory: StateDirectory, reset: Bool, now: Date) throws(StateStoreError) -> StateStore {
        let problem = try directory.prepare()
        let lock = try directory.lock()
        if !directory.hasDatabase, let unreadable = directory.unreadable {
            try directory.move(to: unreadable)
            guard reset else { throw .refused(unreadable: unreadable) }
        }
        let queue: DatabaseQueue
        do throws(StateStoreError) {
            queue = try connect(directory, lock)
        } catch {
            guard case .failed(_, let problem) = error else { throw error }
            let moved = try directory.moveAside(now: now)
            guard reset else { throw .unreadable(movedTo: moved, problem: problem) }
            try directory.mark(lock, made: false)
            queue = try connect(directory, lock)
        }
        let problems = [problem, directory.databaseProblem].compactMap(\.self)
        return StateStore(directory: directory, database: queue, lock: lock, modeProblems: problems)
    }

    /// Whether a daemon has ever kept its state there.
    package static func exists(in directory: String) -> Bool { StateDirectory(path: directory).hasDatabase }

    /// `.failed` means the file itself is at fault; everything else is the machine's.
    private static func connect(
        _ directory: StateDirectory,
        _ lock: DirectoryLock
    ) throws(StateStoreError) -> DatabaseQueue {
        if directory.isEmptied(lock) { throw .failed(path: directory.database, problem: "it is empty") }
        try directory.protectDatabase()
        do {
            let queue = try DatabaseQueue(path: directory.database, configuration: configuration)
            try queue.inDatabase { database in
                let verdict = try String.fetchOne(database, sql: "PRAGMA quick_check(1)") ?? "no answer"
                guard verdict == "ok" else { throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: verdict) }
            }
            guard try !queue.read(migrator.hasBeenSuperseded) else {
                throw DatabaseError(message: "written by a later version of nodepass")
            }
            try migrator.migrate(queue)
            try queue.inDatabase { try checkDurability(of: $0, path: directory.database) }
            try directory.mark(lock, made: true)
            return queue
        } catch {
            throw translate(error, path: directory.database)
        }
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "nodepass.state"
        configuration.busyMode = .timeout(busyTimeoutSeconds)
        configuration.prepareDatabase { database in
            // The log is not asked of GRDB (`journalMode`): it would set `synchronous` to NORMAL after this.
            try database.execute(sql: "PRAGMA synchronous = FULL; PRAGMA journal_mode = WAL; PRAGMA secure_delete = ON")
        }
        return configuration
    }

    /// Throws for a connection on which a commit can return before it is on the disk.
    static func checkDurability(of database: Database, path: String) throws {
        let journalMode = try String.fetchOne(database, sql: "PRAGMA journal_mode") ?? "unknown"
        let synchronous = try Int.fetchOne(database, sql: "PRAGMA synchronous") ?? 0
        guard journalMode == "wal", synchronous >= fullSynchronous else {
            throw StateStoreError.notDurable(path: path, journalMode: journalMode, synchronous: synchronous)
        }
    }

    /// What SQLite answers for FULL; NORMAL is 1, OFF is 0.
    private static let fullSynchronous = 2

    /// Runs one transaction: all of it is on disk when this returns, or nothing of it is.
    func write<Value>(_ body: (Database) throws -> Value) throws(StateStoreError) -> Value {
        try checkPlace()
        do {
            return try database.write(body)
        } catch {
            throw StateStore.translate(error, path: path)
        }
    }

    /// What is written to a file without a name is lost when the process ends.
    private func checkPlace() throws(StateStoreError) {
        guard let opened, FileState(path: path)?.isSameFile(as: opened) != true else { return }
        throw .gone(path: path)
    }

    func read<Value>(_ body: (Database) throws -> Value) throws(StateStoreError) -> Value {
        do {
            return try database.read(body)
        } catch {
            throw StateStore.translate(error, path: path)
        }
    }

    /// As `write`, but waits without holding a thread of the caller's.
    func writeAsync(_ body: @escaping @Sendable (Database) throws -> Void) async throws(StateStoreError) {
        try checkPlace()
        do {
            try await database.write(body)
        } catch {
            throw StateStore.translate(error, path: path)
        }
    }

    /// As `read`, but waits without holding a thread of the caller's.
    func readAsync<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(StateStoreError) -> Value {
        do {
            return try await database.read(body)
        } catch {
            throw StateStore.translate(error, path: path)
        }
    }

    private static func translate(_ error: any Error, path: String) -> StateStoreError {
        if let error = error as? StateStoreError { return error }
        guard let error = error as? DatabaseError else {
            return .failed(path: path, problem: ErrorText.words(for: error))
        }
        let problem = error.message ?? "result code \(error.extendedResultCode.rawValue)"
        return switch error.resultCode {
        case .SQLITE_FULL:
            .full(path: path)
        case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_IOERR, .SQLITE_BUSY, .SQLITE_LOCKED,
            .SQLITE_NOMEM:
            .notWritable(path: path, problem: problem)
        default:
            .failed(path: path, problem: problem)
        }
    }
}
