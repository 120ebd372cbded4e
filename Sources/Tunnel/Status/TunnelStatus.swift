package import Config
package import FoundationEssentials

/// What one tunnel is doing at this moment, as its owner in the engine sees it.
package struct TunnelStatus: Sendable, Hashable {
    /// The spec that is applied (or being tried), and the restart generation it runs under.
    @Shared package var spec: TunnelSpec
    package var generation: Int
    /// The last steps, oldest first, at most ``transitionLimit``; never empty.
    package var transitions: [PhaseTransition]
    /// 0 until resolved; then 1 or 2 (a client's single or dual, a server's reverse or forward).
    package var resolvedMode = 0
    /// Round trip to the peer, or the last connect time to the target, in milliseconds.
    package var pingMilliseconds = 0
    /// Idle links ready for use (two-ended only).
    package var poolIdle = 0
    /// Handshakes, links and lines turned away because they were not this tunnel's peer's
    /// (two-ended only).
    package var rejected = 0
    /// Users turned away because the process had no descriptor for them.
    package var refused = 0
    /// The certificate this end shows (a server with TLS).
    package var certificate: CertificateSummary?
    package var tcpConnections = 0
    package var udpSessions = 0
    /// Connections of former runs that are still finishing, and when the rest of them will be cut.
    package var drainingConnections = 0
    package var drainDeadline: Date?
    /// Totals since the engine first saw this instance; they only grow.
    package var traffic = Traffic()
    /// Which of the engine's instances counted them: one that is made anew under the same id begins
    /// at zero.
    package var incarnation = 0
    /// How often it has become ready.
    package var starts = 0
    /// When the current run became ready; nil while it is not.
    package var readySince: Date?
    /// The addresses really bound (port 0 resolved), TCP first.
    package var listening: [Endpoint] = []
    /// What it has bound, as specs say it; while a move fails that is still where it was.
    package var held: Set<ListenAddress> = []
    /// When the next attempt is due, in phase backoff.
    package var nextRetry: Date?
    /// How users fared with the targets, those of a target that nobody has been connected to yet left out.
    package var targets: [TargetHealth] = []
    /// Failures to reach a target since the engine first saw this instance.
    package var targetFailures: [TargetFailure: Int] = [:]
    /// The other end of a two-ended tunnel, or the one that was here last.
    package var peer: PeerSummary?

    package static let transitionLimit = 32

    package init(spec: TunnelSpec, generation: Int, transitions: [PhaseTransition]) {
        self.spec = spec
        self.generation = generation
        self.transitions = transitions
    }

    /// The spec that is applied from now on; shared, because several hold it.
    mutating func take(_ spec: Shared<TunnelSpec>, generation: Int) {
        _spec = spec
        self.generation = generation
    }

    /// Says the last step in other words.
    mutating func reword(_ message: String) {
        guard let last = transitions.popLast() else { return }
        transitions.append(
            PhaseTransition(
                sequence: last.sequence,
                phase: last.phase,
                reason: last.reason,
                message: message,
                time: last.time
            )
        )
    }

    package var phase: TunnelPhase { transitions.last?.phase ?? .stopped }
    package var reason: TunnelReason? { transitions.last?.reason }
    package var message: String { transitions.last?.message ?? "" }
}
