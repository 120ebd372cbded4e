import Glibc

/// Decides whether the state may be kept in a directory, by its owner and mode and by who asks.
enum DirectoryVerdict: Sendable, Hashable {
    /// Ours: it is closed to everybody else.
    case own
    /// Somebody else made it, and we can write: its mode stays, and this is what others could do.
    case shared(String?)
    case refused

    /// `canWrite` is whether we may read, write and search it.
    init(owner: uid_t, mode: mode_t, user: uid_t, canWrite: Bool) {
        if owner == user {
            self = .own
        } else if user != 0, canWrite {
            self = .shared(Self.risk(owner: owner, mode: mode))
        } else {
            // Root could write anywhere. The owner of the directory could put another state there, and be root by it.
            self = .refused
        }
    }

    /// What others can do in a directory of this mode; nil where that is nothing.
    static func risk(owner: uid_t, mode: mode_t) -> String? {
        var who: [String] = []
        if owner != 0, owner != geteuid() { who.append("user \(owner)") }
        let isSticky = mode & S_ISVTX != 0
        if mode & S_IWGRP != 0, !isSticky { who.append("its group") }
        if mode & S_IWOTH != 0, !isSticky { who.append("everybody") }
        guard !who.isEmpty else { return nil }
        return who.joined(separator: " and ") + " can replace the state"
    }
}
