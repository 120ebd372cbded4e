import Config
import Tunnel

/// Orders steps so that an address is given up before it is taken.
///
/// Each stage has every step that no remaining step has to precede. An address that another step waits
/// for is released even where binding the new one fails. Where steps wait for each other in a ring
/// (tunnels that swap addresses), one of them is stopped first and run at the end; preferably one that
/// keeps none of its listeners. Of tunnels that want one address, the first declared has it.
struct PlanOrder {
    private let steps: [PlanStep]
    /// For each step, the steps that must come before it.
    private var waitsFor: [Set<Int>]
    private let isWaitedFor: Set<Int>
    private var isOpen: [Bool]
    /// Those that have let another one go first; each does so once.
    private var yielded = Set<Int>()

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
                let first = firstTakers(among: free)
                stages.append(first.map(action))
                first.forEach { isOpen[$0] = false }
                remaining.removeAll { !isOpen[$0] }
                settle(Set(first), in: remaining)
            }
        }
        return stages
    }

    /// Without those that want what another one of them wants, which is declared before them.
    private mutating func firstTakers(among free: [Int]) -> [Int] {
        var taken = TakenPorts()
        let later = free.sorted { steps[$0].isDeclared(before: steps[$1]) }.filter { index in
            !yielded.contains(index) && !taken.take(steps[index].certainTakes)
        }
        yielded.formUnion(later)
        let waiting = Set(later)
        return free.filter { !waiting.contains($0) }
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

/// The addresses of one stage, so that thousands are compared without comparing each with each.
private struct TakenPorts {
    private struct Port: Hashable {
        let number: UInt16
        let transport: TransportProtocol
    }

    private var addresses: [ListenAddress: [ListenAddress]] = [:]
    private var ports = Set<Port>()
    /// Those that a tunnel has on every address of the machine.
    private var wholePorts = Set<Port>()

    /// Takes all of them, or none and returns false.
    mutating func take(_ wanted: Set<ListenAddress>) -> Bool {
        let isFree = wanted.allSatisfy { address in
            let port = Self.port(address)
            let isWhole = address.endpoint.isUnspecified
            if let same = addresses[address] { return same.allSatisfy { $0.canShare(with: address) } }
            return !wholePorts.contains(port) && !(isWhole && ports.contains(port))
        }
        guard isFree else { return false }
        for address in wanted {
            addresses[address, default: []].append(address)
            ports.insert(Self.port(address))
            if address.endpoint.isUnspecified { wholePorts.insert(Self.port(address)) }
        }
        return true
    }

    private static func port(_ address: ListenAddress) -> Port {
        Port(number: address.endpoint.port, transport: address.transport)
    }
}

extension PlanStep {
    /// Those that it takes whatever its mode turns out to be; port 0 is another one each time.
    fileprivate var certainTakes: Set<ListenAddress> {
        guard case .run(let desired, _, _) = action else { return [] }
        return takes.intersection(desired.spec.certainAddresses).filter { $0.endpoint.port != 0 }
    }

    /// By the place in the manifest; what the API created comes last.
    fileprivate func isDeclared(before other: PlanStep) -> Bool {
        guard case .run(let one, _, _) = action, case .run(let two, _, _) = other.action else {
            return rank < other.rank
        }
        switch (one.source, two.source) {
        case (let here?, let there?):
            return (here.file, here.line, here.column) < (there.file, there.line, there.column)
        case (nil, nil): return one.id < two.id
        case (let here, _): return here != nil
        }
    }
}
