import Config
import FoundationEssentials
import Synchronization

/// Where one tunnel's task writes what it is doing, and everybody else reads it without waiting.
final class StatusBoard: Sendable {
    private let status: Mutex<TunnelStatus>
    /// Connections of former runs that may still finish: counted when somebody looks.
    private let draining = Mutex<[ConnectionGroup]>([])
    private let changed: AsyncStream<Void>.Continuation

    init(spec: TunnelSpec, generation: Int, changed: AsyncStream<Void>.Continuation) {
        let first = PhaseTransition(sequence: 0, phase: .stopped, reason: nil, message: "", time: Date())
        status = Mutex(TunnelStatus(spec: spec, generation: generation, transitions: [first]))
        self.changed = changed
    }

    var current: TunnelStatus {
        var current = status.withLock { $0 }
        current.drainingConnections = draining.withLock { $0 }.reduce(0) { $0 + $1.count }
        return current
    }

    /// Shows these as draining until the last of them is cut at `deadline`.
    func show(draining groups: [ConnectionGroup], until deadline: Date?) {
        draining.withLock { $0 = groups }
        update { $0.drainDeadline = deadline }
    }

    func update(_ change: (inout TunnelStatus) -> Void) {
        status.withLock { change(&$0) }
        changed.yield()
    }

    /// Notes a step of the tunnel's life; the same step twice in a row is one.
    func move(to phase: TunnelPhase, _ reason: TunnelReason? = nil, _ message: String = "") {
        update { status in
            let text = status.spec.secretTexts.masked(in: message)
            guard status.phase != phase || status.reason != reason || status.message != text else { return }
            let sequence = (status.transitions.last?.sequence ?? 0) + 1
            let step = PhaseTransition(sequence: sequence, phase: phase, reason: reason, message: text, time: Date())
            status.transitions.append(step)
            if status.transitions.count > TunnelStatus.transitionLimit { status.transitions.removeFirst() }
            if phase == .ready { status.starts += 1 }
            status.readySince = phase == .ready ? step.time : nil
        }
    }
}
