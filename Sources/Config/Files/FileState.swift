import Glibc

/// What differs between two states of a file, without reading it: which file it is, its size and
/// its last change.
package struct FileState: Sendable, Hashable {
    package let size: Int64
    package let isDirectory: Bool
    package let isSocket: Bool
    package let owner: UInt32
    private let device: UInt64
    private let inode: UInt64
    /// When its content last changed, in seconds since 1970.
    package let modifiedSeconds: Int64
    private let nanoseconds: Int64

    /// What others may do with it; nil where there is nothing.
    package static func mode(of path: String) -> UInt32? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode : nil
    }

    /// Looks at what `path` leads to, nil where there is nothing; follows symbolic links, so that a
    /// swapped link is another file.
    package init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        size = Int64(status.st_size)
        isDirectory = status.st_mode & S_IFMT == S_IFDIR
        isSocket = status.st_mode & S_IFMT == S_IFSOCK
        owner = status.st_uid
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        modifiedSeconds = Int64(status.st_mtim.tv_sec)
        nanoseconds = Int64(status.st_mtim.tv_nsec)
    }

    /// A file that is written in place stays the same one; one that a rename puts there is another.
    package func isSameFile(as other: FileState) -> Bool {
        inode == other.inode && device == other.device
    }
}
