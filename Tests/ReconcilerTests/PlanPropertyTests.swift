import Config
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("Reconcile plan, from any world to any other")
struct PlanPropertyTests {
    private let casesPerSeed = 100

    @Test("every promise holds", arguments: 0..<40)
    func promises(_ seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        for number in 0..<casesPerSeed {
            let world = PlanCase.random(using: &random)
            let failures = try await AppliedPlan(world).failures
            guard let property = PlanProperty.allCases.first(where: { failures[$0] != nil }) else { continue }
            let smallest = try await shrunk(world, candidates: \.simpler) { simpler in
                try await AppliedPlan(simpler).failures[property] != nil
            }
            try await report(smallest, property, "seed \(seed), case \(number)")
            return
        }
    }

    private func report(_ world: PlanCase, _ property: PlanProperty, _ origin: String) async throws {
        let applied = try await AppliedPlan(world)
        Issue.record(
            """
            not so: \(property.rawValue) (\(origin))
            \(applied.failures[property] ?? "")
            \(world)
            plan
            \(applied.plan.text)
            """
        )
    }

    @Test("chance makes what the promises are about: rings, waiting tunnels, failed moves, restarts")
    func coverage() async throws {
        var random = SeededRandom(seed: 1)
        var seen: [String: Int] = [:]
        for _ in 0..<300 {
            let world = PlanCase.random(using: &random)
            let actual = await world.host().snapshot()
            let plan = ReconcilePlan(desired: try world.desired, actual: actual)
            let running = Set(world.after.filter(\.isRunning).map(\.id))
            for action in plan.actions {
                switch action {
                case .stop(let id) where running.contains(id): seen["ring", default: 0] += 1
                case .run(_, .restart, _): seen["restart", default: 0] += 1
                case .run(_, .change(let kind), _): seen[kind.rawValue, default: 0] += 1
                case .run(let desired, .start, _) where actual[desired.id]?.phase == .backoff:
                    seen["waited", default: 0] += 1
                default: break
                }
            }
            for status in actual.values where !status.held.subtracting(status.spec.possibleAddresses).isEmpty {
                seen["failed move", default: 0] += 1
            }
        }
        for kind in ["ring", "restart", "live", "session", "rebind", "waited", "failed move"] {
            #expect(seen[kind, default: 0] >= 10, "\(kind)")
        }
    }
}
