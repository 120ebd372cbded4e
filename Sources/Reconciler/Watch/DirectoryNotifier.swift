import Config
@preconcurrency import Dispatch
import Glibc
import Synchronization

/// Calls back when something may have happened in a directory: a hint, which may be lost and may mean nothing.
///
/// Directories are watched rather than files, because editors and config maps replace files by renaming.
final class DirectoryNotifier: Sendable {
    /// Directories watched at most; beyond it the poll alone notices.
    static let directoryLimit = 1_024
    private static let interest = UInt32(
        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF
            | IN_MOVE_SELF
    )

    private let descriptor: Int32
    private let source: any DispatchSourceRead
    private let watches = Mutex<[String: Int32]>([:])

    /// Nil where the system has no notifications left to give.
    init?(onHint: @escaping @Sendable () -> Void) {
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { return nil }
        let queue = DispatchQueue(label: "nodepass.inotify")
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        source.setEventHandler { [descriptor] in
            DirectoryNotifier.drain(descriptor)
            onHint()
        }
        // The descriptor may be closed only when nothing can read it any more.
        source.setCancelHandler { [descriptor] in close(descriptor) }
        source.activate()
    }

    deinit {
        source.cancel()
    }

    /// Watches the directories of these paths, and no others from now on; those that do not exist are left to the poll.
    func watch(_ paths: Set<String>) {
        let wanted = Set(paths.flatMap { [$0, TextFile.directory(of: $0)] }.sorted().prefix(Self.directoryLimit))
        watches.withLock { watches in
            var former = Set(watches.values)
            for path in watches.keys where !wanted.contains(path) { watches[path] = nil }
            for path in wanted {
                // Added again each time: a directory that was replaced has the same path and needs a new watch.
                let watch = inotify_add_watch(descriptor, path, Self.interest | UInt32(IN_ONLYDIR))
                watches[path] = watch >= 0 ? watch : nil
            }
            // Several paths may lead to one directory, which has one watch.
            former.subtract(watches.values)
            for watch in former { inotify_rm_watch(descriptor, watch) }
        }
    }

    private static func drain(_ descriptor: Int32) {
        withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 8) { buffer in
            while read(descriptor, buffer.baseAddress, buffer.count) > 0 {}
        }
    }
}
