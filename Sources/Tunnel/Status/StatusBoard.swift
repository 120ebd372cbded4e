import Config
import FoundationEssentials
import Synchronization

/// Where one tunnel's task writes what it is doing, and every other thread reads it without
/// waiting.
final class StatusBoard: Sendable {
    private let status: Mutex<TunnelStatus>
    /// Connections of former runs that may still finish: counted when the status is read.
    private let draining = Mutex<[ConnectionGroup]>([])
    private let changed: AsyncStream<Void>.Continuation

    init(
        spec: Shared<TunnelSpec>,
        generation: Int,
        incarnation: Int,
        changed: AsyncStream<Void>.Continuation
    ) {
        let first = PhaseTransition(sequence: 0, phase: .stopped, reason: nil, message: "", time: Date())
        var status = TunnelStatus(spec: spec.wrappedValue, generation: generation, transitions: [first])
        status.take(spec, generation: generation)
        status.incarnation = incarnation
        self.status = Mutex(status)
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

    /// Forgets the steps so far, as of a tunnel that has just been made.
    func beginAnew() {
        update { status in
            let next = (status.transitions.last?.sequence ?? -1) + 1
            status.transitions = [
                PhaseTransition(sequence: next, phase: .stopped, reason: nil, message: "", time: Date())
            ]
        }
    }

    /// Notes a step of the tunnel's life; the same step twice in a row is one.
    func move(to step: TunnelStep) {
        update { status in
            let text = status.spec.secretTexts.masked(in: PlainText.line(step.message))
            guard status.phase != step.phase || status.reason != step.reason || status.message != text else { return }
            if step.reason != nil, status.phase == step.phase, status.reason == step.reason {
                // An attempt that failed in other words is the same failure.
                return status.reword(text)
            }
            let now = Date()
            status.transitions.append(
                PhaseTransition(
                    sequence: (status.transitions.last?.sequence ?? 0) + 1,
                    phase: step.phase,
                    reason: step.reason,
                    message: text,
                    time: now
                )
            )
            if status.transitions.count > TunnelStatus.transitionLimit { status.transitions.removeFirst() }
            if step.phase == .ready { status.starts += 1 }
            status.readySince = step.phase == .ready ? now : nil
        }
    }
}
