import Config
import FoundationEssentials
import NIOCore
import Synchronization

/// Decides in which order the targets of a tunnel are tried: round robin, with those that failed
/// lately last; and remembers how each of them fared.
final class TargetRotation: Sendable {
    let targets: [Endpoint]

    private struct State {
        var next = 0
        var failedUntil: [NIODeadline]
        var health: [TargetHealth]
        /// Failures of targets that the tunnel does not have any more.
        var formerFailures: [TargetFailure: Int]
    }

    private let state: Mutex<State>

    /// What is known of targets that stay is carried over from `former`.
    init(targets: [Endpoint], following former: TargetRotation? = nil) {
        self.targets = targets
        let known = former?.health ?? []
        let gone = known.filter { health in !targets.contains { $0 == health.target } }
        let health = targets.map { target in known.first { $0.target == target } ?? TargetHealth(target: target) }
        let never = NIODeadline.uptimeNanoseconds(0)
        let former = gone.reduce(into: former?.formerFailures ?? [:]) { $0.merge($1.totals, uniquingKeysWith: +) }
        state = Mutex(State(failedUntil: targets.map { _ in never }, health: health, formerFailures: former))
    }

    var health: [TargetHealth] { state.withLock { $0.health } }
    private var formerFailures: [TargetFailure: Int] { state.withLock { $0.formerFailures } }

    /// All failures so far, by cause.
    var failures: [TargetFailure: Int] {
        state.withLock { state in
            state.health.reduce(into: state.formerFailures) { $0.merge($1.totals, uniquingKeysWith: +) }
        }
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

    func failed(
        _ index: Int,
        _ failure: TargetFailure,
        _ problem: String,
        now: NIODeadline = .now(),
        at time: Date = Date()
    ) {
        state.withLock { state in
            state.failedUntil[index] = now + TimeAmount(TunnelLimits.failedTargetHold)
            state.health[index].failed(failure, problem, at: time)
        }
    }

    func succeeded(_ index: Int, at time: Date = Date()) {
        state.withLock { state in
            state.failedUntil[index] = .uptimeNanoseconds(0)
            state.health[index].reached(at: time)
        }
    }
}
