import Config
import FoundationEssentials
import Glibc

/// The directory of one daemon: its owner and mode, its lock, and what happens to a database that cannot be read.
///
/// What is made, moved or marked here is on the disk when the call returns, as what the database acknowledges.
struct StateDirectory: Sendable {
    let path: String
    /// Who has to own it: anybody else could read every key and put other files there.
    private let user: uid_t
    /// The system call that puts a file, or the names in a directory, on the disk.
    private let fsync: @Sendable (Int32) -> Int32

    init(
        path: String,
        user: uid_t = geteuid(),
        fsync: @escaping @Sendable (Int32) -> Int32 = { systemFsync($0) }
    ) {
        self.path = path
        self.user = user
        self.fsync = fsync
    }

    var database: String { "\(path)/state.db" }
    private var lockFile: String { "\(path)/state.lock" }
    /// SQLite's own files beside the database.
    private static let suffixes = ["", "-wal", "-shm"]

    /// Creates the directory (and its parents) for its owner alone; a present one of ours is closed to everybody else.
    ///
    /// Returns what is wrong with the mode of a directory that somebody else made.
    @discardableResult
    func prepare() throws(StateStoreError) -> String? {
        let made = missingDirectories
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw .notWritable(path: path, problem: StateDirectory.words(for: errno))
        }
        // Before the mode is changed: root may do that to anybody's directory, and would have taken it over.
        let problem = try closed()
        for directory in made { try syncNames(in: TextFile.directory(of: directory)) }
        return problem
    }

    /// Closes the directory to everybody else where that is ours to do; what stays open, or nil.
    private func closed() throws(StateStoreError) -> String? {
        guard let state = FileState(path: path), let mode = mode(of: path) else {
            throw .notWritable(path: path, problem: StateDirectory.words(for: errno))
        }
        let canWrite = access(path, R_OK | W_OK | X_OK) == 0
        switch DirectoryVerdict(owner: state.owner, mode: mode, user: user, canWrite: canWrite) {
        case .own:
            if chmod(path, 0o700) == 0 { return nil }
            // Some file systems, as those of shared folders, have no modes.
            guard canWrite else { throw .notWritable(path: path, problem: StateDirectory.words(for: errno)) }
            return risk(DirectoryVerdict.risk(owner: user, mode: mode))
        case .shared(let risk):
            return self.risk(risk)
        case .refused:
            guard user == 0 else { throw .notWritable(path: path, problem: StateDirectory.words(for: EACCES)) }
            throw .foreign(path: path, owner: state.owner, user: user)
        }
    }

    private func risk(_ risk: String?) -> String? {
        risk.map { "the mode of the state directory \(path) cannot be changed: \($0)" }
    }

    /// Throws for what another user owns.
    private func checkOwner(of path: String) throws(StateStoreError) {
        guard let state = FileState(path: path) else {
            throw .notWritable(path: path, problem: StateDirectory.words(for: errno))
        }
        guard state.owner == user else { throw .foreign(path: path, owner: state.owner, user: user) }
    }

    /// Those on the way to the directory that have to be made, and itself if it has.
    private var missingDirectories: [String] {
        var missing: [String] = []
        var place = path
        while access(place, F_OK) != 0 {
            missing.append(place)
            let parent = TextFile.directory(of: place)
            guard parent != place else { break }
            place = parent
        }
        return missing
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
        // Somebody may have changed the modes of everything in the directory.
        fchmod(descriptor, 0o600)
        return DirectoryLock(descriptor: descriptor)
    }

    /// Makes the database file (if absent) readable by its owner alone, before SQLite can create it wider, and so
    /// the files beside it that a daemon has left.
    ///
    /// On a file system without modes it stays as it is; see `databaseProblem`.
    func protectDatabase() throws(StateStoreError) {
        let descriptor = open(database, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .notWritable(path: database, problem: StateDirectory.words(for: errno))
        }
        defer { close(descriptor) }
        try checkOwner(of: database)
        fchmod(descriptor, 0o600)
        for suffix in StateDirectory.suffixes.dropFirst() {
            let companion = open(database + suffix, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard companion >= 0 else { continue }
            fchmod(companion, 0o600)
            close(companion)
        }
        // SQLite does not do it for its main file. Each time, as the one who made the file may have been killed.
        try syncNames(in: path)
    }

    /// What is wrong with the database's mode, where it could not be changed.
    var databaseProblem: String? {
        guard let mode = mode(of: database), mode & 0o077 != 0 else { return nil }
        return "the mode of \(database) cannot be changed: others may read it, and the keys in it"
    }

    private func mode(of path: String) -> mode_t? { FileState.mode(of: path) }

    /// Remembers on the disk whether a database has been made here.
    func mark(_ lock: DirectoryLock, made: Bool) throws(StateStoreError) {
        guard lock.isMarked != made else { return }
        guard lock.mark(made), sync(lock.descriptor) else {
            throw .notWritable(path: lockFile, problem: StateDirectory.words(for: errno))
        }
    }

    /// Puts on the disk which files are in a directory.
    private func syncNames(in directory: String) throws(StateStoreError) {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .notWritable(path: directory, problem: StateDirectory.words(for: errno))
        }
        defer { close(descriptor) }
        guard sync(descriptor) else {
            throw .notWritable(path: directory, problem: StateDirectory.words(for: errno))
        }
    }

    /// A file system without this call for directories (EINVAL) has no way to do better.
    private func sync(_ descriptor: Int32) -> Bool {
        fsync(descriptor) == 0 || errno == EINVAL
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
        try move(to: target)
        return target
    }

    /// The database first: as long as it stands, what its log holds belongs to it.
    ///
    /// Called again for what a crash has left between two renames: a log that stays behind would be taken for that of
    /// the backup that is put in its place.
    func move(to target: String) throws(StateStoreError) {
        for suffix in StateDirectory.suffixes where access(database + suffix, F_OK) == 0 {
            // What is there belongs to the database that was moved.
            guard access(target + suffix, F_OK) != 0 else { continue }
            guard rename(database + suffix, target + suffix) == 0 else {
                throw .notWritable(path: path, problem: StateDirectory.words(for: errno))
            }
        }
        try syncNames(in: path)
    }

    static func words(for code: Int32) -> String {
        String(cString: strerror(code))
    }
}

/// Holds the directory's lock for as long as it lives.
final class DirectoryLock: Sendable {
    fileprivate let descriptor: Int32

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    fileprivate func mark(_ made: Bool) -> Bool {
        ftruncate(descriptor, made ? 1 : 0) == 0
    }

    /// Whether a database has been made here, so that one cut to nothing is not taken for a first start.
    var isMarked: Bool {
        lseek(descriptor, 0, SEEK_END) > 0
    }

    deinit {
        // Not left to `close`: a child process that is just starting holds a copy of the descriptor, and so the lock.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}

/// The system's call, by a name that ``StateDirectory`` does not use itself.
private func systemFsync(_ descriptor: Int32) -> Int32 {
    fsync(descriptor)
}
