import Config
import Tunnel

/// Orders steps so that an address is given up before it is taken.
///
/// Each stage has every step that no remaining step has to precede. An address that another step waits
/// for is released even where binding the new one fails. Where steps wait for each other in a ring
/// (tunnels that swap addresses), one of them is stopped first and run at the end; preferably one that
/// keeps none of its listeners.
struct PlanOrder {
    private let steps: [PlanStep]
    /// For each step, the steps that must come before it.
    private var waitsFor: [Set<Int>]
    private let isWaitedFor: Set<Int>
    private var isOpen: [Bool]

    init(_ steps: [PlanStep]) {
        self.steps = steps
        isOpen = Array(repeating: true, count: steps.count)
        waitsFor = PlanOrder.dependencies(of: steps)
        isWaitedFor = waitsFor.reduce(into: []) { $0.formUnion($1) }
    }

    mutating func stages() -> [[ReconcilePlan.Action]] {
        var stages: [[ReconcilePlan.Action]] = []
        var remaining = Array(steps.indices)
        while !remaining.isEmpty {
            let free = remaining.filter { waitsFor[$0].isEmpty }
            if free.isEmpty {
                stages.append([breakRing(among: remaining)])
            } else {
                stages.append(free.map(action))
                free.forEach { isOpen[$0] = false }
                remaining.removeAll { !isOpen[$0] }
                settle(Set(free), in: remaining)
            }
        }
        return stages
    }

    /// Stops one step of a ring early, which frees everything it holds.
    private mutating func breakRing(among remaining: [Int]) -> ReconcilePlan.Action {
        let ring = findRing(from: remaining[0])
        let victim = ring.first { !steps[$0].keepsListening } ?? ring[0]
        settle([victim], in: remaining)
        return .stop(steps[victim].action.id)
    }

    private mutating func settle(_ done: Set<Int>, in remaining: [Int]) {
        for index in remaining { waitsFor[index].subtract(done) }
    }

    /// Walks back along the waits until a step comes up twice; from there on it is the ring.
    private func findRing(from start: Int) -> [Int] {
        var path: [Int] = []
        var place: [Int: Int] = [:]
        var current = start
        while place[current] == nil {
            place[current] = path.count
            path.append(current)
            guard let next = waitsFor[current].min() else { return [current] }
            current = next
        }
        return Array(path[(place[current] ?? 0)...])
    }

    private func action(at index: Int) -> ReconcilePlan.Action {
        guard isWaitedFor.contains(index), case .run(let desired, let reason, _) = steps[index].action else {
            return steps[index].action
        }
        return .run(desired, reason, releaseFirst: true)
    }

    private static func dependencies(of steps: [PlanStep]) -> [Set<Int>] {
        var releasing: [UInt16: [(step: Int, address: ListenAddress)]] = [:]
        for (index, step) in steps.enumerated() {
            for address in step.releases {
                releasing[address.endpoint.port, default: []].append((index, address))
            }
        }
        return steps.enumerated().map { index, step in
            var before: Set<Int> = []
            for taken in step.takes {
                for held in releasing[taken.endpoint.port] ?? [] where held.step != index {
                    if held.address.conflicts(with: taken) { before.insert(held.step) }
                }
            }
            return before
        }
    }
}
