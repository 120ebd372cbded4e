import Config
import FoundationEssentials
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Reconciler

@Suite("State directory")
struct StateDirectoryTests {
    let directory: TemporaryDirectory
    private let synced = SyncLog()

    init() throws {
        directory = try TemporaryDirectory()
    }

    private var state: String { directory.file("var/lib/state") }

    private func open(reset: Bool = false) throws(StateStoreError) -> StateStore {
        let synced = synced
        return try StateStore.open(StateDirectory(path: state) { synced.sync($0) }, reset: reset, now: epoch)
    }

    @Test(
        "a first start puts on the disk what it makes: every directory, the names in it, and the mark that it has been"
    )
    func firstStart() throws {
        _ = try open()
        let made = ["", "/var", "/var/lib", "/var/lib/state"].map { directory.path + $0 }
        #expect(synced.paths == Set(made + [state + "/state.lock"]))
    }

    @Test("a later start syncs the names again: the one before may have been killed in between")
    func laterStart() throws {
        _ = try open()
        synced.forget()
        _ = try open()
        #expect(synced.paths == [state])
    }

    @Test("a database that is moved aside is so on the disk before anybody is told")
    func moved() throws {
        _ = try open()
        try directory.write(String(repeating: "not a database ", count: 1000), to: "var/lib/state/state.db")
        synced.forget()
        #expect(throws: StateStoreError.self) { try open() }
        // Once for the file that SQLite is given, once for the move.
        #expect(synced.count(of: state) == 2)
        synced.forget()
        _ = try open(reset: true)
        #expect(synced.paths == [state])
    }

    @Test("a move that was interrupted is finished, so that no backup gets the log of another database")
    func interrupted() throws {
        let log = try directory.write("the log of a database that is gone", to: "var/lib/state/state.db-wal")
        let moved = try directory.write("that database", to: "var/lib/state/state.db.unreadable-1")
        #expect(throws: StateStoreError.refused(unreadable: moved)) { try open() }
        #expect(FileState(path: log) == nil)
        #expect(FileManager.default.contents(atPath: moved + "-wal") == Data("the log of a database that is gone".utf8))
    }

    @Test("a disk that does not take it is an error with the path in it")
    func refused() throws {
        let error = try #require(throws: StateStoreError.self) {
            let directory = StateDirectory(path: state) { _ in
                errno = EIO
                return -1
            }
            _ = try StateStore.open(directory, reset: false, now: epoch)
        }
        #expect(error.description.contains(directory.path) && error.description.contains("Input/output error"))
    }

    @Test("a file system that cannot sync directories is taken as it is")
    func unsupported() throws {
        let directory = StateDirectory(path: state) { _ in
            errno = EINVAL
            return -1
        }
        #expect(throws: Never.self) { try StateStore.open(directory, reset: false, now: epoch) }
    }

    @Test("a directory of another user is refused by root, and stays as it is", .enabled(if: geteuid() == 0))
    func foreignDirectory() throws {
        try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
        chmod(state, 0o755)
        chown(state, 1, 1)
        let error = StateStoreError.foreign(path: state, owner: 1, user: 0)
        #expect(throws: error) { try open() }
        #expect(error.description.contains("chown -R 0") && error.description.contains(state))
        let attributes = try FileManager.default.attributesOfItem(atPath: state)
        #expect(attributes[.posixPermissions] as? Int == 0o755)
        #expect(try FileManager.default.contentsOfDirectory(atPath: state).isEmpty)
    }

    @Test("one that somebody else made and we can write to is used, with a warning, and its files are for us alone")
    func sharedDirectory() throws {
        try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: true)
        chmod(state, 0o2775)
        let directory = StateDirectory(path: state, user: geteuid() + 1)
        let warning = try #require(try directory.prepare())
        #expect(warning.contains(state) && warning.hasSuffix("its group can replace the state"))
        let attributes = try FileManager.default.attributesOfItem(atPath: state)
        #expect((attributes[.posixPermissions] as? Int).map { $0 & 0o777 } == 0o775)
    }

    @Test("the store says what of modes it could not change, and keeps its files to itself")
    func modes() throws {
        let store = try open()
        #expect(store.modeProblems.isEmpty)
        for name in ["state.db", "state.db-wal", "state.lock"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: state + "/" + name)
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
        }
    }

    @Test("the next start takes back what a change of all modes has opened")
    func modesTakenBack() throws {
        let names = ["state.db", "state.db-wal", "state.lock"]
        let copy = directory.file("copy")
        // As after a crash: a daemon that ends takes its log away.
        let first = try open()
        try FileManager.default.copyItem(atPath: state, toPath: copy)
        withExtendedLifetime(first) {}
        for name in names { #expect(chmod(copy + "/" + name, 0o664) == 0, "\(name)") }
        let second = try StateStore.open(directory: copy)
        for name in names {
            let attributes = try FileManager.default.attributesOfItem(atPath: copy + "/" + name)
            #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
        }
        withExtendedLifetime(second) {}
    }

    @Test("so is a database of another user in a directory of ours", .enabled(if: geteuid() == 0))
    func foreignDatabase() throws {
        try directory.write("", to: "var/lib/state/state.db")
        chown(state + "/state.db", 1, 1)
        #expect(throws: StateStoreError.foreign(path: state + "/state.db", owner: 1, user: 0)) { try open() }
    }
}

/// What was synced, by path.
private final class SyncLog: Sendable {
    private let all = Mutex<[String]>([])

    func sync(_ descriptor: Int32) -> Int32 {
        let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")
        all.withLock { $0.append(path ?? "") }
        return 0
    }

    var paths: Set<String> { Set(all.withLock { $0 }) }

    func count(of path: String) -> Int { all.withLock { $0.count { $0 == path } } }

    func forget() { all.withLock { $0 = [] } }
}
