import Config
import NIOCore
import Synchronization

/// Decides in which order the targets of a tunnel are tried: round robin, with those that failed
/// lately last.
final class TargetRotation: Sendable {
    let targets: [Endpoint]

    private struct State {
        var next = 0
        var failedUntil: [NIODeadline]
    }

    private let state: Mutex<State>

    init(targets: [Endpoint]) {
        self.targets = targets
        state = Mutex(State(failedUntil: Array(repeating: .uptimeNanoseconds(0), count: targets.count)))
    }

    /// Indices into `targets`, best first; each call starts one further on.
    func order(now: NIODeadline = .now()) -> [Int] {
        guard targets.count > 1 else { return [0] }
        return state.withLock { state in
            let start = state.next
            state.next = (start + 1) % targets.count
            let turn = (0..<targets.count).map { (start + $0) % targets.count }
            return turn.filter { state.failedUntil[$0] <= now } + turn.filter { state.failedUntil[$0] > now }
        }
    }

    func failed(_ index: Int, now: NIODeadline = .now()) {
        guard targets.count > 1 else { return }
        state.withLock { $0.failedUntil[index] = now + TimeAmount(TunnelLimits.failedTargetHold) }
    }

    func succeeded(_ index: Int) {
        guard targets.count > 1 else { return }
        state.withLock { $0.failedUntil[index] = .uptimeNanoseconds(0) }
    }
}
