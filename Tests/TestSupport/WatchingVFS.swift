import FoundationEssentials
import GRDBSQLite
import Glibc
import Synchronization

/// SQLite's way to the file system with a `WatchedDisk` in between; other paths go straight to the usual one.
///
/// It becomes the default of the process, so that the code under test opens its database as it always does.
enum WatchingVFS {
    /// SQLite's own, and ours in front of it; neither changes once they are made.
    private struct Layers: @unchecked Sendable {
        let usual: UnsafeMutablePointer<sqlite3_vfs>
        let ours: UnsafeMutablePointer<sqlite3_vfs>
    }

    static func install() {
        _ = layers
    }

    private static let layers: Layers = {
        guard let usual = sqlite3_vfs_find(nil) else { fatalError("SQLite has no file system") }
        let ours = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        ours.initialize(to: usual.pointee)
        ours.pointee.pNext = nil
        ours.pointee.zName = UnsafePointer(strdup("nodepass-watching"))
        ours.pointee.szOsFile += Int32(MemoryLayout<WatchedFile>.stride)
        ours.pointee.xOpen = { _, path, file, flags, outFlags in open(path, file, flags, outFlags) }
        ours.pointee.xDelete = { _, path, syncsNames in delete(path, syncsNames) }
        sqlite3_vfs_register(ours, 1)
        return Layers(usual: usual, ours: ours)
    }()

    private static func open(
        _ path: UnsafePointer<CChar>?,
        _ file: UnsafeMutablePointer<sqlite3_file>?,
        _ flags: Int32,
        _ outFlags: UnsafeMutablePointer<Int32>?
    ) -> Int32 {
        let usual = layers.usual
        guard let path, let file, let (disk, name) = WatchedDisk.watching(String(cString: path)) else {
            return usual.pointee.xOpen(usual, path, file, flags, outFlags)
        }
        file.pointee.pMethods = nil
        let isThere = access(path, F_OK) == 0
        guard disk.admits(creating: !isThere) else { return SQLITE_CANTOPEN }
        let code = usual.pointee.xOpen(usual, path, WatchedFile.usual(file), flags, outFlags)
        guard code == SQLITE_OK else { return code }
        let bytes = isThere ? FileManager.default.contents(atPath: String(cString: path)).map(Array.init) : nil
        let mayCreateJournal = flags & SQLITE_OPEN_CREATE != 0 && flags & journals != 0
        let watch = FileWatch(disk: disk, number: disk.opened(name, bytes: bytes), owesNames: mayCreateJournal)
        UnsafeMutableRawPointer(file).bindMemory(to: WatchedFile.self, capacity: 1).initialize(
            to: WatchedFile(methods: WatchedFile.methods.table, handle: Unmanaged.passRetained(watch))
        )
        return SQLITE_OK
    }

    /// With the first sync of one of these SQLite syncs the directory, too.
    private static let journals = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL

    private static func delete(_ path: UnsafePointer<CChar>?, _ syncsNames: Int32) -> Int32 {
        let usual = layers.usual
        if let path, access(path, F_OK) == 0, let (disk, name) = WatchedDisk.watching(String(cString: path)) {
            guard disk.remove(name, names: syncsNames != 0) else { return SQLITE_IOERR }
        }
        return usual.pointee.xDelete(usual, path, syncsNames)
    }
}

/// What is known of one open file.
private final class FileWatch: Sendable {
    let disk: WatchedDisk
    let number: Int
    /// The directory was not synced yet, as it is with the first sync of a journal.
    let owesNames: Atomic<Bool>

    init(disk: WatchedDisk, number: Int, owesNames: Bool) {
        self.disk = disk
        self.number = number
        self.owesNames = Atomic(owesNames)
    }
}

private func watch(_ file: UnsafeMutablePointer<sqlite3_file>?) -> FileWatch? {
    file.map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: WatchedFile.self).pointee.handle }?
        .takeUnretainedValue()
}

/// The usual file with the table of what it can do.
private func inner(
    _ file: UnsafeMutablePointer<sqlite3_file>?
) -> (file: UnsafeMutablePointer<sqlite3_file>, methods: sqlite3_io_methods)? {
    guard let inner = WatchedFile.usual(file), let methods = inner.pointee.pMethods else { return nil }
    return (inner, methods.pointee)
}

/// What SQLite takes for its file; the usual one lies behind it in the same memory.
private struct WatchedFile {
    var methods: UnsafePointer<sqlite3_io_methods>?
    var handle: Unmanaged<FileWatch>

    static func usual(_ file: UnsafeMutablePointer<sqlite3_file>?) -> UnsafeMutablePointer<sqlite3_file>? {
        guard let file else { return nil }
        let start = UnsafeMutableRawPointer(file) + MemoryLayout<WatchedFile>.stride
        return start.assumingMemoryBound(to: sqlite3_file.self)
    }

    struct Methods: @unchecked Sendable {
        let table: UnsafePointer<sqlite3_io_methods>
    }

    static let methods: Methods = {
        let table = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        table.initialize(to: made)
        return Methods(table: UnsafePointer(table))
    }()

    private static var made: sqlite3_io_methods {
        var methods = sqlite3_io_methods()
        // Version 2 has shared memory for the log's index and no mapped reads.
        methods.iVersion = 2
        methods.xClose = { file in
            let code = inner(file).map { $0.methods.xClose($0.file) } ?? SQLITE_OK
            guard let file else { return code }
            UnsafeMutableRawPointer(file).assumingMemoryBound(to: WatchedFile.self).pointee.handle.release()
            return code
        }
        methods.xRead = { file, bytes, count, offset in
            guard let inner = inner(file), watch(file)?.disk.isOff == false else { return SQLITE_IOERR }
            return inner.methods.xRead(inner.file, bytes, count, offset)
        }
        methods.xWrite = { file, bytes, count, offset in
            guard let inner = inner(file), let watch = watch(file) else { return SQLITE_IOERR }
            let written = Array(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
            guard watch.disk.write(written, at: Int(offset), to: watch.number) else { return SQLITE_IOERR }
            return inner.methods.xWrite(inner.file, bytes, count, offset)
        }
        methods.xTruncate = { file, size in
            guard let inner = inner(file), let watch = watch(file) else { return SQLITE_IOERR }
            guard watch.disk.resize(watch.number, to: Int(size)) else { return SQLITE_IOERR }
            return inner.methods.xTruncate(inner.file, size)
        }
        methods.xSync = { file, _ in
            guard let watch = watch(file) else { return SQLITE_IOERR }
            let owesNames = watch.owesNames.exchange(false, ordering: .relaxed)
            return watch.disk.sync(watch.number, names: owesNames) ? SQLITE_OK : SQLITE_IOERR
        }
        methods.xFileSize = { file, size in
            inner(file).map { $0.methods.xFileSize($0.file, size) } ?? SQLITE_IOERR
        }
        methods.xLock = { file, level in inner(file).map { $0.methods.xLock($0.file, level) } ?? SQLITE_IOERR }
        methods.xUnlock = { file, level in inner(file).map { $0.methods.xUnlock($0.file, level) } ?? SQLITE_IOERR }
        methods.xCheckReservedLock = { file, result in
            inner(file).map { $0.methods.xCheckReservedLock($0.file, result) } ?? SQLITE_IOERR
        }
        methods.xFileControl = { file, operation, argument in
            inner(file).map { $0.methods.xFileControl($0.file, operation, argument) } ?? SQLITE_NOTFOUND
        }
        methods.xSectorSize = { file in inner(file).map { $0.methods.xSectorSize($0.file) } ?? 4096 }
        methods.xDeviceCharacteristics = { file in
            inner(file).map { $0.methods.xDeviceCharacteristics($0.file) } ?? 0
        }
        methods.xShmMap = { file, region, size, extends, memory in
            inner(file).map { $0.methods.xShmMap($0.file, region, size, extends, memory) } ?? SQLITE_IOERR
        }
        methods.xShmLock = { file, offset, count, flags in
            inner(file).map { $0.methods.xShmLock($0.file, offset, count, flags) } ?? SQLITE_IOERR
        }
        methods.xShmBarrier = { file in
            if let inner = inner(file) { inner.methods.xShmBarrier(inner.file) }
        }
        methods.xShmUnmap = { file, deletes in
            inner(file).map { $0.methods.xShmUnmap($0.file, deletes) } ?? SQLITE_OK
        }
        return methods
    }
}
