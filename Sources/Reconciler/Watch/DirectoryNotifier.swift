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
    private let seen = Mutex(Settled())

    private struct Settled {
        var paths: Set<String> = []
        var files: [String: FileState] = [:]
    }

    /// Nil where the system has no notifications left to give.
    init?(onHint: @escaping @Sendable () -> Void) {
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { return nil }
        let queue = DispatchQueue(label: "nodepass.inotify")
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        source.setEventHandler { [weak self] in
            self?.drain()
            onHint()
        }
        // The descriptor may be closed only when nothing can read it any more.
        source.setCancelHandler { [descriptor] in close(descriptor) }
        source.activate()
    }

    deinit {
        source.cancel()
    }

    /// Watched files as they were when a writer last closed them, or a rename last brought them.
    var settled: [String: FileState] { seen.withLock { $0.files } }

    /// Watches the directories of these paths, and no others from now on; those that do not exist are left to the poll.
    func watch(_ paths: Set<String>) {
        let wanted = Set(paths.flatMap { [$0, TextFile.directory(of: $0)] }.sorted().prefix(Self.directoryLimit))
        seen.withLock { seen in
            seen.paths = paths
            seen.files = seen.files.filter { paths.contains($0.key) }
        }
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

    private func drain() {
        withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 8) { buffer in
            while true {
                let count = read(descriptor, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                note(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
    }

    /// Goes through the events of one read (`inotify(7)`).
    private func note(_ events: UnsafeRawBufferPointer) {
        let headerBytes = MemoryLayout<inotify_event>.size
        var start = 0
        while start + headerBytes <= events.count {
            let event = events.loadUnaligned(fromByteOffset: start, as: inotify_event.self)
            let end = min(start + headerBytes + Int(event.len), events.count)
            if event.mask & UInt32(IN_CLOSE_WRITE | IN_MOVED_TO) != 0 {
                let name = events[(start + headerBytes)..<end].prefix { $0 != 0 }
                settle(String(decoding: name, as: UTF8.self), in: event.wd)
            }
            start = end
        }
    }

    private func settle(_ name: String, in watch: Int32) {
        let directories = watches.withLock { watches in watches.filter { $0.value == watch }.map(\.key) }
        for directory in directories {
            let path = directory.hasSuffix("/") ? directory + name : "\(directory)/\(name)"
            guard seen.withLock({ $0.paths.contains(path) }), let file = FileState(path: path) else { continue }
            seen.withLock { $0.files[path] = file }
        }
    }
}
