import Config
// The C library's `stat` counts as CoreFoundation's wherever that is loaded, and a dependency loads it.
import CoreFoundation
import FoundationEssentials
import Glibc
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("State store")
struct StateStoreTests {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    var state: String { directory.file("state") }

    func open(reset: Bool = false) throws(StateStoreError) -> StateStore {
        try StateStore.open(directory: state, reset: reset, now: epoch)
    }

    func mode(_ path: String) throws -> mode_t {
        var status = stat()
        try #require(stat(path, &status) == 0)
        return status.st_mode & 0o777
    }

    /// A declared instance with everything set, override included.
    func fullRecord() throws -> InstanceRecord {
        var record = try apiRecord("abcd1234", url: clientURL(9001), alias: "Web")
        record.name = "web"
        record.origin = .manifest
        record.source = SourceLocation(file: "/etc/a:b.yaml", line: 3, column: 5)
        record.labels.tags = ["env": "prod \"x\"", "a": "<&>"]
        record.labels.peer = PeerLabel(sid: "s", type: "t", alias: "é")
        record.url = record.spec.url
        record.generation = 3
        record.traffic = Traffic(tcpRx: 1, tcpTx: .max, udpRx: 3, udpTx: 4)
        record.announced = true
        var override = Override(since: epoch, until: epoch.addingTimeInterval(60), by: "socket", revision: "r1")
        override.url = clientURL(9002)
        override.running = false
        override.tags = [:]
        record.override = override
        record.overrideSpec = Shared(wrappedValue: try spec(clientURL(9002)))
        return record
    }

    @Test("a record comes back as it was saved, after the store was closed")
    func roundTrip() throws {
        let record = try fullRecord()
        try open().save([record])
        let stored = try open().instances()
        #expect(stored.records == [record])
        #expect(stored.unusable.isEmpty)
    }

    @Test("saving again replaces the row and its override, removing takes both away")
    func replace() throws {
        let store = try open()
        let record = try fullRecord()
        try store.save([record])
        try store.save([record.withoutOverride])
        #expect(try store.instances().records == [record.withoutOverride])
        try store.save(removing: [record.id])
        #expect(try store.instances().records.isEmpty)
    }

    @Test("the directory is its owner's alone, and so is the database")
    func modes() throws {
        let store = try open()
        #expect(try mode(store.directory) == 0o700)
        #expect(try mode(store.directory + "/state.db") == 0o600)
    }

    @Test("a second daemon on one directory is refused")
    func locked() throws {
        let store = try open()
        #expect(throws: StateStoreError.locked(directory: store.directory)) { try open() }
    }

    @Test("the lock is free once its store is gone, even while a child that starts has a copy of it")
    func released() throws {
        let copy = try withExtendedLifetime(try open()) { try copyOfLock() }
        defer { close(copy) }
        #expect(throws: Never.self) { try open() }
    }

    private func copyOfLock() throws -> Int32 {
        let file = try #require(FileState(path: state + "/state.lock"))
        let descriptor = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").first { name in
            FileState(path: "/proc/self/fd/" + name) == file
        }
        return dup(try #require(descriptor.flatMap { Int32($0) }))
    }

    @Test("an unreadable database is moved aside and never replaced silently", arguments: ["garbage", "empty"])
    func unreadable(_ kind: String) throws {
        try open().setSettings(["api_key": "k"])
        let text = kind == "garbage" ? String(repeating: "not a database ", count: 1000) : ""
        for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: "\(state)/state.db\(suffix)") }
        try Data(text.utf8).write(to: URL(filePath: "\(state)/state.db"))

        let error = try #require(throws: StateStoreError.self) { try open() }
        guard case .unreadable(let moved, _) = error else {
            Issue.record("unexpected \(error)")
            return
        }
        #expect(error.description.contains("--reset-state"))
        #expect(try Data(contentsOf: URL(filePath: moved)) == Data(text.utf8))
        #expect(throws: StateStoreError.refused(unreadable: moved)) { try open() }
        #expect(throws: StateStoreError.refused(unreadable: moved)) { try open() }
        #expect(try open(reset: true).setting("api_key") == nil)
        #expect(try open().instances().records.isEmpty)
    }

    @Test("a reset of an unreadable database starts fresh in one go")
    func resetAtOnce() throws {
        try open().setSettings(["api_key": "k"])
        try Data(repeating: 7, count: 8192).write(to: URL(filePath: "\(state)/state.db"))
        #expect(try open(reset: true).setting("api_key") == nil)
    }

    @Test("a reset leaves a readable database alone")
    func harmlessReset() throws {
        try open().setSettings(["api_key": "k"])
        #expect(try open(reset: true).setting("api_key") == "k")
    }

    @Test("a directory that can not be made is an error with the path in it")
    func notWritable() throws {
        try directory.write("", to: "state")
        let error = try #require(throws: StateStoreError.self) { try open() }
        #expect(error.description.contains(state))
    }

    @Test("events are numbered without gaps, and only the newest are kept")
    func events() async throws {
        let store = try open()
        let event = try event(.update, "abcd1234")
        let count = StateStore.eventLimit + 2 * StateStore.pruneInterval
        let saved = try store.save(events: Array(repeating: event, count: count))
        #expect(saved.map(\.id) == (1...Int64(count)).map { $0 })
        let bounds = try #require(try store.eventBounds())
        #expect(bounds.upperBound == Int64(count))
        #expect(bounds.count >= StateStore.eventLimit)
        #expect(bounds.count < StateStore.eventLimit + StateStore.pruneInterval)
        let page = try await store.events(after: bounds.upperBound - 2, limit: 10)
        #expect(page == Array(saved.suffix(2)))
    }

    @Test("the key and the master's id are made once and kept; a new key is on disk before it counts")
    func identity() throws {
        var store: StateStore? = try open()
        var identity: DaemonIdentity? = try DaemonIdentity(store: try #require(store))
        let (key, id) = try (#require(identity?.apiKey), #require(identity?.masterID))
        #expect(identity?.wasKeyCreated == true)
        #expect(key.count == 32 && id.count == 16)
        #expect((key + id).allSatisfy { $0.isHexDigit && !$0.isUppercase })
        try identity?.setMasterAlias("mine")
        let rotated = try identity?.rotateKey()
        #expect(rotated != key)
        identity = nil
        store = nil
        let again = try DaemonIdentity(store: try open())
        #expect(again.apiKey == rotated)
        #expect(again.masterID == id)
        #expect(again.masterAlias == "mine")
        #expect(!again.wasKeyCreated)
    }
}
