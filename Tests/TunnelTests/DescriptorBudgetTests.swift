import NIOCore
import TestSupport
import Testing

@testable import Tunnel

@Suite("The budget of file descriptors")
struct DescriptorBudgetTests {
    private static let plan = DescriptorPlan(limit: 1024, cores: 2, api: 8192)

    @Test(
        "a limit is divided into the reserve, the API's connections, tunnels and their users",
        arguments: [
            (1024, 2, 8192, api: 128, tunnels: 800, users: 700),
            (1024, 2, 0, api: 0, tunnels: 928, users: 812),
            (20_000, 2, 8192, api: 2500, tunnels: 16_811, users: 14_710),
            (1_048_576, 8, 8192, api: 8192, tunnels: 1_007_504, users: 881_566),
            (256, 2, 8192, api: 32, tunnels: 152, users: 133),
            // Too little for any tunnel: it says so when it is to listen.
            (64, 2, 8192, api: 8, tunnels: 0, users: 0),
            (0, 2, 8192, api: 0, tunnels: 0, users: 0),
        ]
    )
    func division(_ limit: Int, _ cores: Int, _ wanted: Int, api: Int, tunnels: Int, users: Int) {
        let plan = DescriptorPlan(limit: limit, cores: cores, api: wanted)
        #expect(plan.api == api && plan.tunnels == tunnels && plan.users == users, "\(plan)")
    }

    @Test("no limit at all is no limit to fear", arguments: [1, 64, 1024, Int.max])
    func extremes(_ limit: Int) {
        let plan = DescriptorPlan(limit: limit, cores: 2, api: 8192)
        #expect(plan.users <= plan.tunnels && plan.tunnels + plan.api <= limit)
    }

    @Test(
        "users fill their part, a tunnel above its fair part only three quarters of it, listeners what is beyond",
        arguments: [
            // One tunnel may have all that users may.
            (2, DescriptorPlan.Purpose.target, taken: 698, held: 698, holders: 1, true),
            (2, .target, taken: 699, held: 699, holders: 1, false),
            // One of two has half when descriptors are scarce, and may have more before.
            (2, .target, taken: 523, held: 522, holders: 2, true),
            (2, .target, taken: 524, held: 523, holders: 2, false),
            (2, .target, taken: 698, held: 100, holders: 2, true),
            (2, .target, taken: 698, held: 348, holders: 2, true),
            (2, .target, taken: 698, held: 349, holders: 2, false),
            // Among very many each has the least part while there is any left.
            (1, .target, taken: 699, held: 7, holders: 600, true),
            (1, .target, taken: 699, held: 8, holders: 600, false),
            (1, .target, taken: 700, held: 0, holders: 600, false),
            // Who is further on the way gets more.
            (1, .entry, taken: 524, held: 1, holders: 9, true),
            (1, .entry, taken: 525, held: 1, holders: 9, false),
            (1, .link, taken: 612, held: 1, holders: 9, true),
            (1, .link, taken: 612, held: 77, holders: 9, false),
            (1, .link, taken: 613, held: 1, holders: 9, false),
            (1, .target, taken: 699, held: 1, holders: 9, true),
            // Users at their limit keep nobody from listening.
            (1, .tunnel, taken: 700, held: 700, holders: 1, true),
            (1, .tunnel, taken: 799, held: 99, holders: 9, true),
            (1, .tunnel, taken: 800, held: 0, holders: 9, false),
        ]
    )
    func grants(
        _ count: Int,
        _ purpose: DescriptorPlan.Purpose,
        taken: Int,
        held: Int,
        holders: Int,
        _ isAdmitted: Bool
    ) {
        let answer = Self.plan.admits(count, for: purpose, taken: taken, held: held, holders: holders)
        #expect(answer == isAdmitted)
    }

    @Test("listeners accept 16 connections in a row while the burst lasts, then one, and give back what they had")
    func batches() {
        let budget = DescriptorBudget(Self.plan)
        var batches = (0..<10).map { _ in budget.acceptBatch() }
        #expect(batches.map(\.count) == [16, 1, 1, 1, 1, 1, 1, 1, 1, 1])
        #expect(batches.map { $0.count - 1 }.reduce(0, +) <= Self.plan.burst)
        batches.removeFirst()
        #expect([budget.acceptBatch(), budget.acceptBatch()].map(\.count) == [16, 1])
    }

    /// One tunnel of the property test, with the places it holds.
    private struct Holder {
        let descriptors: TunnelDescriptors
        var places: [DescriptorPlace] = []
    }

    @Test("whatever comes and goes, what is counted is what is held, and only who may not gets none", arguments: 1...40)
    func property(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let plan = DescriptorPlan(limit: .random(in: 100...2000, using: &random), cores: 1, api: 0)
        let budget = DescriptorBudget(plan)
        var tunnels = (0..<Int.random(in: 1...12, using: &random)).map { _ in Holder(descriptors: .init(budget)) }
        for step in 0..<4000 {
            let index = Int.random(in: tunnels.indices, using: &random)
            // Some tunnels ask far more often than they let go.
            let isAsking = Int.random(in: 0...9, using: &random) < 5 + index % 4
            guard isAsking else {
                if !tunnels[index].places.isEmpty {
                    let place = Int.random(in: tunnels[index].places.indices, using: &random)
                    tunnels[index].places.remove(at: place)
                }
                continue
            }
            let taken = tunnels.map(\.places.count).reduce(0, +)
            let held = tunnels[index].places.count
            let others = tunnels.enumerated().count { !$1.places.isEmpty || $0 == index }
            let purpose = DescriptorPlan.Purpose.allCases.randomElement(using: &random) ?? .target
            let isPair = purpose == .target && Bool.random(using: &random)
            let granted: [DescriptorPlace] =
                isPair
                ? tunnels[index].descriptors.userAndTarget().map { [$0.user, $0.target] } ?? []
                : tunnels[index].descriptors.place(for: purpose).map { [$0] } ?? []
            tunnels[index].places += granted
            let wanted = isPair ? 2 : 1
            let context: Comment = "seed \(seed), step \(step): \(plan), \(taken) taken, \(held) held of \(others)"
            #expect(budget.figures.taken == taken + granted.count, context)
            if granted.isEmpty {
                let isFull = taken + wanted > plan.ceiling(of: purpose)
                let isAbovePart = purpose != .tunnel && held + wanted > plan.fairPart(of: others)
                #expect(isFull || isAbovePart, context)
            } else {
                #expect(taken + granted.count <= plan.ceiling(of: purpose), context)
                let isAbovePart = held + granted.count > plan.fairPart(of: others)
                #expect(purpose == .tunnel || !isAbovePart || taken + granted.count <= plan.scarce, context)
            }
        }
        tunnels = []
        #expect(budget.figures.taken == 0)
    }

    @Test("many at once never get more than there is, and everything comes back")
    func concurrency() async {
        let budget = DescriptorBudget(Self.plan)
        let tunnels = (0..<4).map { _ in TunnelDescriptors(budget) }
        await withDiscardingTaskGroup { tasks in
            for number in 0..<8 {
                tasks.addTask {
                    var random = SeededRandom(seed: UInt64(number))
                    var places: [DescriptorPlace] = []
                    for _ in 0..<5000 {
                        if Int.random(in: 0...2, using: &random) > 0 {
                            if let place = tunnels[number % 4].place(for: .target) { places.append(place) }
                        } else {
                            _ = places.popLast()
                        }
                        // Those who ask and get none are counted for that moment.
                        #expect(budget.figures.taken <= Self.plan.users + 8)
                    }
                }
            }
        }
        #expect(budget.figures.taken == 0)
        #expect(tunnels[0].userAndTarget() != nil)
    }

    @Test("a place that goes to another tunnel is counted once, and only as far as that tunnel's part allows")
    func moves() throws {
        let budget = DescriptorBudget(Self.plan)
        let (port, tunnel) = (TunnelDescriptors(budget), TunnelDescriptors(budget))
        var moved: [DescriptorPlace] = []
        var isRefused = false
        while let place = port.place(for: .link) {
            guard place.move(to: tunnel, for: .link) else {
                let part = budget.plan.fairPart(of: 2)
                #expect(moved.count >= part && budget.figures.taken == moved.count + 1)
                isRefused = true
                break
            }
            moved.append(place)
            #expect(budget.figures.taken == moved.count)
        }
        #expect(isRefused)
        // What it could not have stayed with its former owner, and all of it comes back.
        moved = []
        #expect(budget.figures.taken == 0)
    }

    @Test("refusals are counted, each; a line is written after 1, 2, 4 … s")
    func refusals() {
        let budget = DescriptorBudget(Self.plan)
        let start = NIODeadline.uptimeNanoseconds(1)
        var lines = 0
        for millisecond in 0..<10_000 as Range<Int64> {
            budget.countRefused()
            if budget.isLineDue(now: start + .milliseconds(millisecond)) { lines += 1 }
        }
        #expect(lines == 4)
        #expect(budget.figures.refused == 10_000)
    }
}
