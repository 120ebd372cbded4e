import Config
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("Reconcile plan")
struct ReconcilePlanTests {
    func instance(_ id: InstanceID, _ url: String, running: Bool = true, generation: Int = 0) throws -> DesiredInstance
    {
        var record = try apiRecord(id, url: url)
        record.running = running
        record.generation = generation
        return try #require(DesiredInstance(record))
    }

    /// A host that runs these instances, with nothing noted yet.
    func host(_ world: [DesiredInstance]) async -> FakeHost {
        let host = FakeHost()
        for instance in world where instance.shouldRun {
            await host.run(instance.id, spec: instance.spec, generation: instance.generation, releaseFirst: false)
        }
        host.forget()
        return host
    }

    @Test("a tunnel that takes the port another gives up comes after it")
    func handOver() async throws {
        let host = await host([try instance("a", clientURL(1))])
        let desired = [try instance("b", clientURL(1)), try instance("a", clientURL(2))]
        let plan = ReconcilePlan(desired: desired, actual: host.snapshot())
        #expect(plan.actions.map(\.id) == ["a", "b"])
        await plan.apply(to: host)
        #expect(host.violations.isEmpty)
    }

    @Test("of tunnels that want one address the first declared has it, and what the API created comes last")
    func firstDeclared() async throws {
        func declared(_ id: InstanceID, _ url: String, line: Int) throws -> DesiredInstance {
            var record = try apiRecord(id, url: url)
            record.origin = .manifest
            record.name = id
            record.source = SourceLocation(file: "m.yaml", line: line, column: 3)
            return try #require(DesiredInstance(record))
        }
        let desired = [
            try instance("a", clientURL(1)), try declared("b", clientURL(1), line: 9),
            try declared("c", clientURL(1), line: 3), try declared("d", clientURL(2), line: 12),
            try declared("e", "client://0.0.0.0:2/10.0.0.7:80?mode=1", line: 11),
        ]
        let plan = ReconcilePlan(desired: desired, actual: [:])
        #expect(plan.stages.map { $0.map(\.id) } == [["c", "e"], ["a", "b", "d"]])
    }

    @Test("tunnels that swap ports are settled in one pass, with one early stop")
    func swap() async throws {
        let host = await host([try instance("a", clientURL(1)), try instance("b", clientURL(2))])
        let desired = [try instance("a", clientURL(2)), try instance("b", clientURL(1))]
        let plan = ReconcilePlan(desired: desired, actual: host.snapshot())
        #expect(plan.actions.count == 3)
        #expect(plan.actions.first == .stop("a"))
        #expect(plan.actions.last == .run(desired[0], .change(.rebind), releaseFirst: true))
        await plan.apply(to: host)
        #expect(host.violations.isEmpty)
        #expect(ReconcilePlan(desired: desired, actual: host.snapshot()).isEmpty)
    }

    @Test("a move from one host to all of them on one port gives up the old address first")
    func widen() async throws {
        let host = await host([try instance("a", clientURL(1))])
        let wide = try instance("a", "client://0.0.0.0:1/10.0.0.7:80?mode=1")
        let plan = ReconcilePlan(desired: [wide], actual: host.snapshot())
        #expect(plan.actions == [.run(wide, .change(.rebind), releaseFirst: true)])
    }

    @Test("a plain move binds the new address before it lets go of the old one")
    func move() async throws {
        let host = await host([try instance("a", clientURL(1))])
        let moved = try instance("a", clientURL(2))
        let plan = ReconcilePlan(desired: [moved], actual: host.snapshot())
        #expect(plan.actions == [.run(moved, .change(.rebind), releaseFirst: false)])
    }

    @Test(
        "the class of a change is the highest of its fields",
        arguments: [
            ("mode=1&rate=10", ChangeClass.live), ("mode=1&notcp=1", .session),
        ]
    )
    func classes(_ query: String, _ expected: ChangeClass) async throws {
        let host = await host([try instance("a", clientURL(1))])
        let desired = try instance("a", clientURL(1, query))
        let plan = ReconcilePlan(desired: [desired], actual: host.snapshot())
        #expect(plan.actions == [.run(desired, .change(expected), releaseFirst: false)])
    }

    @Test("a failed tunnel is left to its host; a new generation restarts it")
    func failed() async throws {
        let host = await host([try instance("a", clientURL(1))])
        host.show("a", .failed, .noPermission)
        #expect(ReconcilePlan(desired: [try instance("a", clientURL(1))], actual: host.snapshot()).isEmpty)
        let again = try instance("a", clientURL(1), generation: 1)
        let plan = ReconcilePlan(desired: [again], actual: host.snapshot())
        #expect(plan.actions == [.run(again, .restart, releaseFirst: false)])
    }

    @Test("a tunnel that waits for a port tries at once when a plan frees it")
    func freed() async throws {
        let host = await host([try instance("a", clientURL(1)), try instance("b", clientURL(2))])
        let wide = try instance("c", "client://0.0.0.0:1/10.0.0.7:80?mode=1")
        await host.run("c", spec: wide.spec, generation: 0, releaseFirst: false)
        host.show("c", .backoff, .portInUse)
        let unmoved = [try instance("a", clientURL(1)), try instance("b", clientURL(2)), wide]
        #expect(ReconcilePlan(desired: unmoved, actual: host.snapshot()).isEmpty)
        let moved = [try instance("a", clientURL(3)), try instance("b", clientURL(2)), wide]
        #expect(ReconcilePlan(desired: moved, actual: host.snapshot()).actions.map(\.id) == ["a", "c"])
    }

    @Test("a ring is opened at a tunnel that restarts anyway, before one whose other listener stays")
    func restartOpensRing() async throws {
        let host = await host([
            try instance("a", "server://127.0.0.1:1/127.0.0.1:8?mode=1"),
            try instance("b", "server://127.0.0.1:2/127.0.0.1:9?mode=1"),
        ])
        let desired = [
            try instance("a", "server://127.0.0.1:2/127.0.0.1:8?mode=1"),
            try instance("b", "server://127.0.0.1:1/127.0.0.1:9?mode=1", generation: 1),
        ]
        let plan = ReconcilePlan(desired: desired, actual: host.snapshot())
        #expect(plan.actions.first == .stop("b"))
        await plan.apply(to: host)
        #expect(host.violations.isEmpty && host.interruptions.isEmpty)
    }

    @Test("a tunnel that waits for a port and is edited comes after whoever gives the port up")
    func editedWhileWaiting() async throws {
        let host = await host([try instance("b", clientURL(1)), try instance("a", clientURL(1))])
        try #require(host.snapshot()["a"]?.phase == .backoff)
        let desired = [try instance("a", clientURL(1, "mode=1&rate=10")), try instance("b", clientURL(2))]
        let plan = ReconcilePlan(desired: desired, actual: host.snapshot())
        #expect(plan.actions.map(\.id) == ["b", "a"])
    }

    @Test("clients that swap the targets they dial change live; nobody is stopped")
    func swappedTargets() async throws {
        let (one, two) = (
            "client://reverse.example:1/127.0.0.1:81?mode=2", "client://reverse.example:1/127.0.0.1:82?mode=2"
        )
        let host = await host([try instance("a", one), try instance("b", two)])
        let desired = [try instance("a", two), try instance("b", one)]
        let plan = ReconcilePlan(desired: desired, actual: host.snapshot())
        #expect(plan.stages == [desired.map { .run($0, .change(.live), releaseFirst: false) }])
    }

    @Test("a tunnel that could not move lets go of its old port once another is to have it")
    func failedMove() async throws {
        let host = await host([try instance("a", clientURL(1))])
        host.occupy(ListenAddress(Endpoint(host: "127.0.0.1", port: 2), .tcp))
        let moved = try instance("a", clientURL(2))
        await ReconcilePlan(desired: [moved], actual: host.snapshot()).apply(to: host)
        #expect(host.snapshot()["a"]?.listening.first?.port == 1)
        #expect(ReconcilePlan(desired: [moved], actual: host.snapshot()).isEmpty)
        let desired = [moved, try instance("b", clientURL(1))]
        let plan = ReconcilePlan(desired: desired, actual: host.snapshot())
        #expect(
            plan.actions == [
                .run(moved, .start, releaseFirst: true), .run(desired[1], .create, releaseFirst: false),
            ]
        )
        await plan.apply(to: host)
        #expect(host.snapshot().mapValues(\.phase) == ["a": .backoff, "b": .ready])
    }

    @Test("a port whose UDP half goes to another tunnel is given up before that one binds it")
    func splitProtocols() async throws {
        let host = await host([try instance("b", clientURL(53))])
        let desired = [
            try instance("a", clientURL(53, "mode=1&notcp=1")), try instance("b", clientURL(53, "mode=1&noudp=1")),
        ]
        let plan = ReconcilePlan(desired: desired, actual: host.snapshot())
        #expect(plan.actions.map(\.id) == ["b", "a"])
        await plan.apply(to: host)
        #expect(host.violations.isEmpty && host.interruptions.isEmpty)
    }

    @Test("one host written another way is in its own way", arguments: ["localhost", "[::]", "0.0.0.0"])
    func sameHost(_ name: String) async throws {
        let host = await host([try instance("a", "client://\(name):1/10.0.0.7:80?mode=1")])
        let desired = try instance("a", clientURL(1))
        let plan = ReconcilePlan(desired: [desired], actual: host.snapshot())
        #expect(plan.actions == [.run(desired, .change(.rebind), releaseFirst: true)])
    }
}
