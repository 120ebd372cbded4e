import Config
import FoundationEssentials
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("What the reconciler tells of its work", .timeLimit(.minutes(1)))
struct ReconcileNoticeTests {
    let directory: TemporaryDirectory
    let context = MutationContext(by: "10.0.0.1")

    init() throws {
        directory = try TemporaryDirectory()
    }

    /// A daemon that runs `web`, its notices from then on, and the tunnel's id.
    func daemon() async throws -> (daemon: RunningReconciler, notices: EventSubscription, id: InstanceID) {
        let daemon = try RunningReconciler(directory: directory, expectsManifest: true)
        let notices = try daemon.reconciler.notices.subscribe()
        await daemon.reconciler.declare(manifest(["web": client(9001)]))
        #expect(try await daemon.next(2, of: notices) == ["plan - 1 create", "apply - 1 create"])
        return (daemon, notices, try #require(await daemon.reconciler.instances().first?.id))
    }

    @Test("an edit is told as its plan and what came of it; a settled world tells nothing")
    func planAndApply() async throws {
        let (daemon, notices, _) = try await daemon()
        try await daemon.settled()
        await daemon.reconciler.declare(manifest(["web": client(9001)]))
        try await daemon.settled()
        await daemon.reconciler.declare(manifest(["web": client(9002)]))
        #expect(try await daemon.next(2, of: notices) == ["plan - 1 rebind", "apply - 1 rebind"])
        try await daemon.stop()
    }

    @Test("a rejected manifest is told with its first problem, and its end though nothing is to be done")
    func reject() async throws {
        let (daemon, notices, _) = try await daemon()
        await daemon.reconciler.declare(reading("tunnels: ["))
        #expect(try await daemon.next(1, of: notices) == ["reject - yaml-syntax"])
        await daemon.reconciler.declare(manifest(["web": client(9001)]))
        #expect(try await daemon.next(2, of: notices) == ["plan - ", "apply - "])
        try await daemon.stop()
    }

    @Test("an override is told when it is made, and how it ended: by request, by its time, or by an edit")
    func overrides() async throws {
        let (daemon, notices, id) = try await daemon()
        let stop = InstancePatch(action: .stop)
        let reconciler = daemon.reconciler
        _ = try await reconciler.patch(id, stop, context)
        #expect(
            try await daemon.next(3, of: notices) == ["override web stopped", "plan - 1 stop", "apply - 1 stop"]
        )
        _ = try await reconciler.release(id, context)
        #expect(try await daemon.next(1, of: notices) == ["release web request 10.0.0.1"])
        #expect(try await daemon.next(2, of: notices) == ["plan - 1 start", "apply - 1 start"])

        _ = try await reconciler.patch(id, stop, MutationContext(by: "socket", ttl: .seconds(3)))
        _ = try await daemon.next(3, of: notices)
        daemon.wall.advance(by: 3)
        reconciler.wake()
        let expired = ["plan - 1 start", "apply - 1 start", "release web expiry expiry"]
        #expect(try await daemon.next(3, of: notices).sorted() == expired.sorted())

        _ = try await reconciler.patch(id, stop, context)
        _ = try await daemon.next(3, of: notices)
        await reconciler.declare(manifest(["web": client(9001, "alias: x")]))
        #expect(try await daemon.next(1, of: notices) == ["release web edit manifest"])
        try await daemon.stop()
    }

    @Test("what changes an instance without an override is an event with its author: on API instances, and a restart")
    func requests() async throws {
        let (daemon, notices, id) = try await daemon()
        _ = try await daemon.reconciler.patch(id, InstancePatch(action: .restart), context)
        #expect(try await daemon.next(1, of: notices) == ["request web restart 10.0.0.1"])
        _ = try await daemon.next(2, of: notices)
        let tunnel = try CheckedTunnel(url: clientURL(9005))
        let made = try await daemon.reconciler.create(CreateRequest(tunnel: tunnel, by: "root (local CLI)"))
        #expect(try await daemon.next(1, of: notices) == ["request \(made.id) create root (local CLI)"])
        _ = try await daemon.next(2, of: notices)
        _ = try await daemon.reconciler.patch(made.id, InstancePatch(autostart: false), context)
        #expect(try await daemon.next(1, of: notices) == ["request \(made.id) edit 10.0.0.1"])
        try await daemon.reconciler.delete(made.id, context)
        #expect(try await daemon.next(1, of: notices) == ["request \(made.id) delete 10.0.0.1"])
        try await daemon.stop()
    }

    @Test("a tunnel that fails is told once, however often it tries, and once more when it has recovered")
    func drift() async throws {
        let (daemon, notices, id) = try await daemon()
        daemon.host.show(id, .backoff, .portInUse)
        #expect(try await daemon.next(1, of: notices) == ["drift web backoff PortInUse false"])
        daemon.host.show(id, .starting)
        daemon.host.show(id, .backoff, .portInUse)
        try await daemon.settled()
        daemon.host.show(id, .ready)
        #expect(try await daemon.next(1, of: notices) == ["drift web ready - true"])
        try await daemon.stop()
    }

    @Test("a notice that is seen is in the store; its numbers go on after a new start")
    func stored() async throws {
        let last: Int64
        do {
            let (daemon, notices, id) = try await daemon()
            _ = try await daemon.reconciler.patch(id, InstancePatch(action: .stop), context)
            var iterator = notices.makeAsyncIterator()
            let seen = try #require(try await iterator.next())
            let number = try #require(seen.id)
            #expect(
                try await daemon.store.events(after: number - 1, limit: 1, in: .reconciler).map(\.words) == [
                    seen.payload
                ]
            )
            #expect(try await daemon.store.lastEvents(of: id, limit: 5, in: .reconciler).map(\.words) == [seen.payload])
            try await daemon.stop()
            last = daemon.reconciler.notices.lastID
        }
        let daemon = try RunningReconciler(directory: directory)
        let notices = try daemon.reconciler.notices.subscribe(afterID: last - 1)
        #expect(notices.isResumed)
        #expect(try await daemon.next(1, of: notices) == ["apply - 1 stop"])
        try await daemon.stop()
    }

    @Test("a request that waits gets the outcome of every tunnel at once when nothing is under way")
    func outcomes() async throws {
        let (daemon, _, _) = try await daemon()
        await daemon.reconciler.declare(
            manifest(["web": client(9001), "db": client(9002), "off": client(3, "state: stopped")])
        )
        try await daemon.settled()
        let db = try #require(await daemon.reconciler.instances().first { $0.name == "db" }?.id)
        daemon.host.show(db, .failed, .noPermission)
        let outcomes = await daemon.reconciler.settled(within: .seconds(60))
        #expect(
            outcomes.map { "\($0.instance.name ?? "") \($0.outcome.rawValue)" } == [
                "db failed", "off applied", "web applied",
            ]
        )
        try await daemon.stop()
    }

    @Test("a request that waits is answered when its time is over, though a tunnel is still starting")
    func timeOver() async throws {
        let (daemon, _, id) = try await daemon()
        try await daemon.settled()
        daemon.host.show(id, .starting)
        let reconciler = daemon.reconciler
        let answer = Task { await reconciler.settled(within: .seconds(4)) }
        // The report's timer and the two of the request.
        await daemon.clock.sleepers(3)
        daemon.clock.advance(by: .seconds(4))
        #expect(await answer.value.map(\.outcome) == [.pending])
        try await daemon.stop()
    }
}
