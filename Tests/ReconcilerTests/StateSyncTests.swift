import Config
import Dispatch
import GRDB
import Logging
import Synchronization
import TestSupport
import Testing
import Tunnel

@testable import Reconciler

@Suite("What is acknowledged is synced")
struct StateSyncTests {
    let directory: TemporaryDirectory
    let disk: WatchedDisk

    init() throws {
        directory = try TemporaryDirectory()
        disk = WatchedDisk(directory.path)
    }

    private func open(reset: Bool = false) throws -> StateStore {
        try StateStore.open(directory: directory.file("state"), reset: reset, now: epoch)
    }

    /// Fails unless `mutation` syncs a file, and leaves nothing that was not synced.
    private func expectSync(
        of what: String,
        isolation: isolated (any Actor)? = #isolation,
        _ mutation: () async throws -> Void
    ) async rethrows {
        let before = disk.syncCount
        try await mutation()
        #expect(disk.syncCount > before, "\(what) was not synced")
        #expect(disk.unsyncedCount == 0, "\(what) leaves what was not synced")
    }

    @Test("every mutation is on the disk when it is answered")
    func mutations() async throws {
        let store = try open()
        let settings = ReconcilerSettings(expectsManifest: false, clock: ManualClock(), logger: .silent)
        let reconciler = try TestReconciler(store: store, settings: settings).reconciler
        let by = MutationContext(by: "test")
        var id = ""
        // No pass runs here that could sync for them.
        try await expectSync(of: "create") {
            id = try await reconciler.create(CreateRequest(tunnel: try CheckedTunnel(url: clientURL(9001)), by: "test"))
                .id
        }
        try await expectSync(of: "an alias") {
            _ = try await reconciler.patch(id, InstancePatch(alias: "new"), by)
        }
        try await expectSync(of: "stop") { _ = try await reconciler.patch(id, InstancePatch(action: .stop), by) }
        try await expectSync(of: "reset") { _ = try await reconciler.patch(id, InstancePatch(action: .reset), by) }
        try await expectSync(of: "a URL") {
            _ = try await reconciler.replace(id, by: CheckedTunnel(url: clientURL(9002)), by)
        }
        try await expectSync(of: "delete") { _ = try await reconciler.delete(id, by) }
    }

    @Test("so are overrides, the key, the master's alias and what is imported")
    func others() async throws {
        let store = try open()
        let identity = try DaemonIdentity(store: store)
        #expect(disk.unsyncedCount == 0)
        try await expectSync(of: "the key") { try identity.rotateKey() }
        try await expectSync(of: "the master's alias") { try identity.setMasterAlias("mine") }
        var row = ImportedState.Row(id: "00000001")
        row.url = clientURL(9001)
        let state = ImportedState(instances: [row], key: nil)
        let imported = try StateImport(state, into: StoredInstances(), now: epoch)
        try await expectSync(of: "an import") { try store.save(imported) }
        var record = try apiRecord("abcd1234", url: clientURL(9001))
        record.override = Override(since: epoch, until: nil, by: "test", revision: "r1")
        let update = try event(.update, record.id)
        try await expectSync(of: "an override") { try store.save([record], events: [update]) }
        try await expectSync(of: "counters") { try store.saveTraffic([record.id: Traffic(tcpRx: 1)]) }
    }

    @Test("a start leaves nothing unsynced, and neither does an end")
    func ends() throws {
        var store: StateStore? = try open()
        #expect(store != nil && disk.unsyncedCount == 0)
        store = nil
        #expect(disk.unsyncedCount == 0)
    }

    @Test("a database that is synced at checkpoints alone is not opened")
    func asserted() throws {
        var configuration = Configuration()
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        // As it was once: GRDB sets it back to NORMAL after that.
        configuration.journalMode = .wal
        let path = directory.file("other.db")
        let error = StateStoreError.notDurable(path: path, journalMode: "wal", synchronous: 1)
        try DatabaseQueue(path: path, configuration: configuration).inDatabase { database in
            _ = #expect(throws: error) { try StateStore.checkDurability(of: database, path: path) }
        }
        #expect(error.description.contains("synchronous=1") && error.description.contains("power cut"))
    }

    @Test("a request that asks for the key does not wait for a new one to be synced")
    func keyWhileSyncing() throws {
        let identity = Mutex<DaemonIdentity?>(nil)
        let answers = Mutex<[Bool]>([])
        let place = try TemporaryDirectory()
        let disk = WatchedDisk(place.path) {
            guard let identity = identity.withLock({ $0 }) else { return }
            let answered = DispatchSemaphore(value: 0)
            DispatchQueue.global().async {
                if !identity.apiKey.isEmpty { answered.signal() }
            }
            let isAnswered = answered.wait(timeout: .now() + 10) == .success
            answers.withLock { $0.append(isAnswered) }
        }
        let made = try DaemonIdentity(store: StateStore.open(directory: place.file("state"), now: epoch))
        identity.withLock { $0 = made }
        try made.rotateKey()
        let all = answers.withLock { $0 }
        #expect(!all.isEmpty && !all.contains(false))
        identity.withLock { $0 = nil }
        withExtendedLifetime(disk) {}
    }

    @Test("a connection syncs every commit: on a first start, on a later one, after a reset and after a migration")
    func connections() throws {
        let state = directory.file("state")
        func check(reset: Bool = false) throws {
            let store = try open(reset: reset)
            let values = try store.database.read { database in
                ["journal_mode", "synchronous"].map { try? String.fetchOne(database, sql: "PRAGMA \($0)") }
            }
            #expect(values == ["wal", "2"])
        }
        try check()
        try check()
        try directory.write(String(repeating: "not a database ", count: 1000), to: "state/state.db")
        #expect(throws: StateStoreError.self) { try check() }
        try check(reset: true)
        let former = try DatabaseQueue(path: state + "/state.db")
        try former.erase()
        try StateStore.migrator.migrate(former, upTo: "4: events by instance")
        try former.close()
        try check()
    }
}
