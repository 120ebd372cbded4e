import Config
import FoundationEssentials
import GRDB
import Glibc
import Logging
import Synchronization
import TestSupport
import Testing
import Tunnel

@testable import Reconciler

@Suite("Tunnel reconciler", .timeLimit(.minutes(1)))
struct TunnelReconcilerTests {
    let directory: TemporaryDirectory
    let context = MutationContext(by: "test")

    init() throws {
        directory = try TemporaryDirectory()
    }

    @Test("a created tunnel is announced as stopped before its steps are told")
    func createFirst() async throws {
        let daemon = try RunningReconciler(directory: directory)
        let created = try await daemon.create("web", port: 9001)
        #expect(created.status == nil)
        #expect(try await daemon.next(3) == ["create web stopped", "update web starting", "update web ready"])
        #expect(await daemon.reconciler.instance(created.id)?.phase == .ready)
        try await daemon.stop()
    }

    @Test("an event that is seen is in the store already, with the record it speaks of")
    func storedFirst() async throws {
        let daemon = try RunningReconciler(directory: directory)
        let created = try await daemon.create("web", port: 9001)
        for try await event in daemon.events {
            let id = try #require(event.id)
            #expect(try await daemon.store.events(after: id - 1, limit: 1).map(\.words) == [event.payload])
            #expect(try daemon.store.instances().records.map(\.id) == [created.id])
            if event.payload.hasSuffix("ready") { break }
        }
        try await daemon.stop()
    }

    @Test("a restart shows stopped, then running again")
    func restart() async throws {
        let daemon = try RunningReconciler(directory: directory)
        let id = try await daemon.create("web", port: 9001).id
        _ = try await daemon.next(3)
        _ = try await daemon.reconciler.patch(id, InstancePatch(action: .restart), context)
        #expect(try await daemon.next(3) == ["update web stopped", "update web starting", "update web ready"])
        try await daemon.stop()
    }

    @Test("a delete tells the end of a running tunnel, then the delete")
    func delete() async throws {
        let daemon = try RunningReconciler(directory: directory)
        let id = try await daemon.create("web", port: 9001).id
        _ = try await daemon.next(3)
        try await daemon.reconciler.delete(id, context)
        #expect(await daemon.reconciler.instance(id) == nil)
        #expect(try await daemon.next(2) == ["update web stopped", "delete web stopped"])
        #expect(try daemon.store.instances().records.isEmpty)
        try await daemon.stop()
    }

    @Test("nothing starts before the expected manifest was read, and then all of it does")
    func waitsForManifest() async throws {
        let daemon = try RunningReconciler(directory: directory, expectsManifest: true)
        #expect(!daemon.reconciler.isReady)
        await daemon.reconciler.declare(manifest(["web": client(9001), "db": client(9002)]))
        let created = try await daemon.next(6).filter { $0.hasPrefix("create") }
        #expect(created == ["create db stopped", "create web stopped"])
        try await daemon.settled()
        #expect(daemon.reconciler.isReady)
        #expect(await daemon.reconciler.instances().map(\.name) == ["db", "web"])
        try await daemon.stop()
    }

    @Test("a settled world is left alone: no calls, no events")
    func settled() async throws {
        let daemon = try RunningReconciler(directory: directory, expectsManifest: true)
        await daemon.reconciler.declare(manifest(["web": client(9001)]))
        _ = try await daemon.next(3)
        try await daemon.settled()
        daemon.host.forget()
        let last = daemon.hub.lastID
        await daemon.reconciler.declare(manifest(["web": client(9001)]))
        try await daemon.settled()
        #expect(daemon.host.calls.isEmpty)
        #expect(daemon.hub.lastID == last)
        try await daemon.stop()
    }

    @Test("an invalid tunnel keeps its last good form, a rejected manifest everything, a good one prunes")
    func lastGood() async throws {
        let daemon = try RunningReconciler(directory: directory, expectsManifest: true)
        await daemon.reconciler.declare(manifest(["web": client(9001), "db": client(9002)]))
        _ = try await daemon.next(6)
        let halfBroken = "version: 1\ntunnels:\n  web: {role: nobody}\n  db: {\(client(9003))}\n"
        await daemon.reconciler.declare(reading(halfBroken))
        try await daemon.settled()
        var ports = await daemon.reconciler.instances().map(\.status?.spec.tunnel.port)
        #expect(ports == [9003, 9001])
        await daemon.reconciler.declare(reading("tunnels: ["))
        try await daemon.settled()
        let status = await daemon.reconciler.status()
        #expect(status.rejection?.diagnostics.isEmpty == false)
        ports = await daemon.reconciler.instances().map(\.status?.spec.tunnel.port)
        #expect(ports == [9003, 9001])
        await daemon.reconciler.declare(manifest(["db": client(9003)]))
        try await daemon.settled()
        #expect(await daemon.reconciler.instances().map(\.name) == ["db"])
        #expect(await daemon.reconciler.status().rejection == nil)
        #expect(daemon.host.violations.isEmpty)
        try await daemon.stop()
    }

    @Test("an override expires by itself while the daemon runs")
    func expiry() async throws {
        let daemon = try RunningReconciler(directory: directory, expectsManifest: true)
        await daemon.reconciler.declare(manifest(["web": client(9001)]))
        _ = try await daemon.next(3)
        let id = try #require(await daemon.reconciler.instances().first?.id)
        let context = MutationContext(by: "test", ttl: .seconds(3))
        _ = try await daemon.reconciler.patch(id, InstancePatch(action: .stop), context)
        #expect(try await daemon.next(1) == ["update web stopped"])
        await daemon.clock.sleepers(2)
        daemon.wall.advance(by: 3)
        daemon.clock.advance(by: .seconds(3))
        #expect(try await daemon.next(2) == ["update web starting", "update web ready"])
        #expect(await daemon.reconciler.instance(id)?.override == nil)
        try await daemon.stop()
    }

    @Test("a mutation survives: the record, its id and a stop are there after a new start")
    func survives() async throws {
        let id: InstanceID
        do {
            let daemon = try RunningReconciler(directory: directory)
            id = try await daemon.create("web", port: 9001).id
            _ = try await daemon.reconciler.patch(id, InstancePatch(alias: "new", action: .stop), context)
            try await daemon.stop()
        }
        let daemon = try RunningReconciler(directory: directory)
        let instance = try #require(await daemon.reconciler.instance(id))
        #expect(instance.labels.alias == "new")
        #expect(!instance.shouldRun)
        try await daemon.settled()
        #expect(daemon.host.calls.isEmpty)
        try await daemon.stop()
    }

    @Test("a create that a crash kept from being announced is announced by the next start")
    func announcedLater() async throws {
        let record = try apiRecord("abcd1234", url: clientURL(9001), alias: "web")
        try StateStore.open(directory: directory.file("state")).save([record])
        let daemon = try RunningReconciler(directory: directory)
        #expect(try await daemon.next(1) == ["create web stopped"])
        try await daemon.stop()
    }

    @Test("a delete that a crash kept from being finished is finished by the next start")
    func deletedLater() async throws {
        var record = try apiRecord("abcd1234", url: clientURL(9001), alias: "web")
        record.announced = true
        record.departing = true
        try StateStore.open(directory: directory.file("state")).save([record])
        let daemon = try RunningReconciler(directory: directory)
        #expect(try await daemon.next(1) == ["delete web stopped"])
        #expect(try daemon.store.instances().records.isEmpty)
        try await daemon.stop()
    }

    @Test("totals add up over runs of the daemon, and a reset begins at zero")
    func traffic() async throws {
        let id: InstanceID
        do {
            let daemon = try RunningReconciler(directory: directory)
            id = try await daemon.create("web", port: 9001).id
            _ = try await daemon.next(3)
            daemon.host.count(Traffic(tcpRx: 5), for: id)
            #expect(await daemon.reconciler.instance(id)?.traffic.tcpRx == 5)
            try await daemon.stop()
        }
        let daemon = try RunningReconciler(directory: directory)
        _ = try await daemon.next(2)
        daemon.host.count(Traffic(tcpRx: 2), for: id)
        #expect(await daemon.reconciler.instance(id)?.traffic.tcpRx == 7)
        let reset = try await daemon.reconciler.patch(id, InstancePatch(action: .reset), context)
        #expect(reset.traffic == Traffic())
        #expect(try await daemon.next(1) == ["update web ready"])
        daemon.host.count(Traffic(tcpRx: 1), for: id)
        #expect(await daemon.reconciler.instance(id)?.traffic.tcpRx == 1)
        try await daemon.stop()
    }

    @Test("reports come every interval while figures move, without a number")
    func reports() async throws {
        let daemon = try RunningReconciler(directory: directory)
        let id = try await daemon.create("web", port: 9001).id
        _ = try await daemon.next(3)
        daemon.host.count(Traffic(udpTx: 1), for: id)
        await daemon.clock.sleepers(1)
        daemon.clock.advance(by: .seconds(5))
        var iterator = daemon.events.makeAsyncIterator()
        let report = try #require(try await iterator.next())
        #expect(report.id == nil && report.kind == .update && report.instanceID == id)
        #expect(try daemon.store.instances().records.first?.traffic.udpTx == 1)
        try await daemon.stop()
    }

    @Test("a running instance is reported every interval, an idle one too, but not to who wants what changed")
    func idleReports() async throws {
        let daemon = try RunningReconciler(directory: directory)
        let id = try await daemon.create("web", port: 9001).id
        _ = try await daemon.next(3)
        let changed = try daemon.hub.subscribe(reports: .changed)
        var all = daemon.events.makeAsyncIterator()
        var few = changed.makeAsyncIterator()
        for round in 0..<4 {
            if round == 3 { daemon.host.count(Traffic(udpTx: 1), for: id) }
            await daemon.clock.sleepers(1)
            daemon.clock.advance(by: .seconds(5))
            let report = try #require(try await all.next())
            #expect(report.id == nil && report.kind == .update && report.instanceID == id)
            #expect(report.isRepeated == [false, true, true, false][round])
            if !report.isRepeated { #expect(try await few.next()?.isRepeated == false) }
        }
        try await daemon.stop()
    }

    @Test("a tunnel that fails again in another way is no event; its reports tell the reason, once")
    func failingReports() async throws {
        let daemon = try RunningReconciler(directory: directory)
        let id = try await daemon.create("web", port: 9001).id
        _ = try await daemon.next(3)
        daemon.host.show(id, .backoff, .peerUnreachable)
        #expect(try await daemon.next(1) == ["update web backoff"])
        for reason in [TunnelReason.authFailed, .nameNotResolved, .peerUnreachable] {
            daemon.host.show(id, .backoff, reason)
            try await daemon.settled()
        }
        daemon.host.show(id, .ready)
        #expect(try await daemon.next(1) == ["update web ready"])
        try await daemon.stop()
    }

    @Test("a full disk is a problem with the first request that is refused, and its event has the time of that")
    func fullDisk() async throws {
        let daemon = try RunningReconciler(directory: directory)
        try daemon.store.write { try $0.execute(sql: "PRAGMA max_page_count = 1") }
        let full = await #expect(throws: MutationError.self) {
            for port in 9001..<9500 { try await daemon.create(String(repeating: "a", count: 256), port: port) }
        }
        guard case .storage(.full(let path)) = full else {
            Issue.record("\(String(describing: full))")
            return
        }
        #expect(path.hasPrefix("/"))
        let problem = try #require(await daemon.reconciler.problems().first { $0.kind == .storage })
        #expect(problem.text.contains(path) && problem.since == epoch)
        await daemon.pass()
        daemon.wall.advance(by: 60)
        try daemon.store.database.inDatabase { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        try await daemon.settled()
        #expect(await daemon.reconciler.problems().allSatisfy { $0.kind != .storage })
        let notices = try await daemon.reconciler.notices(since: epoch.addingTimeInterval(-1), about: nil, limit: 1000)
        let begun = notices.filter { event in
            guard case .notice(.problem(_, .storage, _, false)) = event.content else { return false }
            return true
        }
        #expect(begun.map(\.time) == [epoch])
        try await daemon.stop()
    }

    @Test("a state that is deleted under the daemon is a problem, and takes no request that would be lost")
    func deletedState() async throws {
        let daemon = try RunningReconciler(directory: directory)
        _ = try await daemon.create("web", port: 9001)
        #expect(unlink(daemon.store.path) == 0)
        let refused = await #expect(throws: MutationError.self) { try await daemon.create("api", port: 9002) }
        guard case .storage(.gone(let path)) = refused else {
            Issue.record("\(String(describing: refused))")
            return
        }
        let problem = try #require(await daemon.reconciler.problems().first { $0.kind == .storage })
        #expect(problem.text.contains(path) && problem.text.contains("nodepass export"))
        try await daemon.stop()
    }

    @Test("a dry run answers what would be and changes nothing")
    func dryRun() async throws {
        let daemon = try RunningReconciler(directory: directory)
        let id = try await daemon.create("web", port: 9001).id
        _ = try await daemon.next(3)
        let dry = MutationContext(by: "test", dryRun: true)
        let other = try CheckedTunnel(url: clientURL(9009))
        #expect(try await daemon.reconciler.replace(id, by: other, dry).url == clientURL(9009))
        #expect(try await daemon.reconciler.delete(id, dry).id == id)
        #expect(await daemon.reconciler.instance(id)?.url == clientURL(9001))
        try await daemon.stop()
    }
}

extension RunningReconciler {
    /// Returns when a pass has ended that began after this call, whether the store took it or not.
    fileprivate func pass() async {
        let next = await reconciler.schedule.current + 1
        reconciler.wake()
        await reconciler.end(of: next)
    }
}
