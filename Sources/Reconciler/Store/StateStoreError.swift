/// Why the state directory could not be opened, read or written; each message says what to try.
package enum StateStoreError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The database is damaged, is not a database, or was written by a later version; it was moved to this path.
    case unreadable(movedTo: String, problem: String)
    /// A database that was moved aside earlier still waits for a decision.
    case refused(unreadable: String)
    /// Another daemon holds this state directory.
    case locked(directory: String)
    /// The directory or a file in it belongs to another user, who could read every key and replace the state.
    case foreign(path: String, owner: UInt32, user: UInt32)
    /// Commits on this database would not be on the disk when they return.
    case notDurable(path: String, journalMode: String, synchronous: Int)
    case full(path: String)
    /// The file was deleted, or another is in its place, while the daemon runs.
    case gone(path: String)
    case notWritable(path: String, problem: String)
    case failed(path: String, problem: String)

    package var description: String {
        switch self {
        case .unreadable(let movedTo, let problem):
            "the state database cannot be read (\(problem)); it was moved to \(movedTo); "
                + "restore a backup, or start with --reset-state to begin fresh"
        case .refused(let unreadable):
            "the state database is missing, and an unreadable copy is at \(unreadable); "
                + "restore a backup, or start with --reset-state to begin fresh"
        case .locked(let directory):
            "another nodepass uses the state directory \(directory); stop it, or choose another with --state-dir"
        case .foreign(let path, let owner, let user):
            "\(path) belongs to another user (\(owner)), who could read every key and replace the state; run as that user, "
                + "give it to this one (chown -R \(user)), or choose another directory with --state-dir"
        case .notDurable(let path, let journalMode, let synchronous):
            "the state database \(path) would lose answered requests in a power cut: SQLite runs it with "
                + "journal_mode=\(journalMode) and synchronous=\(synchronous), not with wal and 2 (FULL); "
                + "keep it on a local disk, or choose another with --state-dir"
        case .full(let path):
            "no space left to write \(path); free some and try again"
        case .gone(let path):
            "\(path) was deleted or replaced under the running daemon, so that nothing is kept any longer; "
                + "save what runs with nodepass export, then start the daemon again"
        case .notWritable(let path, let problem):
            "cannot write \(path): \(problem); check its owner, its mode and that the disk is not read-only"
        case .failed(let path, let problem):
            "the state database \(path) failed: \(problem)"
        }
    }
}
