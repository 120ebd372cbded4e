/// Who has one of the manifest's files open for writing, as far as can be seen.
package enum FileWriters: Sendable, Hashable {
    /// Nobody.
    case closed
    case open
    /// Nobody that can be seen; of these files a writer need not be visible, because they belong to another user or their
    /// file system has no leases.
    case unseen(Set<String>)
}
