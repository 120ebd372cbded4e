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
        host.forgetCalls()
        return host
    }

    func apply(_ plan: ReconcilePlan, to host: FakeHost) async {
        for action in plan.actions {
            switch action {
            case .remove(let id): await host.remove(id)
            case .stop(let id): await host.stop(id)
            case .run(let desired, _, let releaseFirst):
                await host.run(
                    desired.id,
                    spec: desired.spec,
                    generation: desired.generation,
                    releaseFirst: releaseFirst
                )
            }
        }
    }

    @Test("a tunnel that takes the port another gives up comes after it")
    func handOver() async throws {
        let host = await host([try instance("a", clientURL(1))])
        let desired = [try instance("b", clientURL(1)), try instance("a", clientURL(2))]
        let plan = ReconcilePlan(desired: desired, actual: host.snapshot())
        #expect(plan.actions.map(\.id) == ["a", "b"])
        await apply(plan, to: host)
        #expect(host.violations.isEmpty)
    }

    @Test("tunnels that swap ports are settled in one pass, with one early stop")
    func swap() async throws {
        let host = await host([try instance("a", clientURL(1)), try instance("b", clientURL(2))])
        let desired = [try instance("a", clientURL(2)), try instance("b", clientURL(1))]
        let plan = ReconcilePlan(desired: desired, actual: host.snapshot())
        #expect(plan.actions.count == 3)
        #expect(plan.actions.first == .stop("a"))
        #expect(plan.actions.last == .run(desired[0], .change(.rebind), releaseFirst: true))
        await apply(plan, to: host)
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

    @Test("from any world to any other: releases before binds, unchanged untouched, nothing left", arguments: 0..<30)
    func anyWorld(_ seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<70 {
            let before = try world(using: &random)
            let after = try world(using: &random)
            let host = await host(before)
            try #require(host.violations.isEmpty)
            let actual = host.snapshot()
            let plan = ReconcilePlan(desired: after, actual: actual)
            await apply(plan, to: host)
            #expect(host.violations.isEmpty, "seed \(seed)")
            #expect(ReconcilePlan(desired: after, actual: host.snapshot()).isEmpty, "seed \(seed)")
            let unchanged = after.filter { $0.shouldRun && actual[$0.id]?.spec == $0.spec }
            let untouched = unchanged.filter { actual[$0.id]?.generation == $0.generation }.map(\.id)
            #expect(Set(untouched).isDisjoint(with: plan.actions.map(\.id)), "seed \(seed)")
            let running = Set(host.snapshot().filter { !$0.value.isDown }.keys)
            #expect(running == Set(after.filter(\.shouldRun).map(\.id)), "seed \(seed)")
        }
    }

    /// Some of eight tunnels on some of ten ports, no two of which want one address; two such worlds collide a lot.
    func world(using random: inout SeededRandom) throws -> [DesiredInstance] {
        var ports = Array(1...10).shuffled(using: &random)
        var world: [DesiredInstance] = []
        for id in ["a", "b", "c", "d", "e", "f", "g", "h"] where ports.count > 1 {
            if Int.random(in: 0..<4, using: &random) == 0 { continue }
            let host = ["127.0.0.1", "0.0.0.0", "127.0.0.2"].randomElement(using: &random) ?? ""
            let port = ports.removeLast()
            let isReverse = Int.random(in: 0..<4, using: &random) == 0
            let url =
                isReverse
                ? "server://\(host):\(port)/127.0.0.1:\(ports.removeLast())?mode=1"
                : "client://\(host):\(port)/10.0.0.7:80?mode=1"
            let running = Int.random(in: 0..<6, using: &random) > 0
            world.append(try instance(id, url, running: running, generation: Int.random(in: 0...1, using: &random)))
        }
        return world
    }
}
