package import FoundationEssentials

/// One step in a tunnel's life, numbered within its instance so that a reader knows which
/// steps it has not seen.
package struct PhaseTransition: Sendable, Hashable {
    package let sequence: Int
    package let phase: TunnelPhase
    package let reason: TunnelReason?
    /// For people; empty when the phase says it all; never holds a secret.
    package let message: String
    package let time: Date

    package init(sequence: Int, phase: TunnelPhase, reason: TunnelReason?, message: String, time: Date) {
        self.sequence = sequence
        self.phase = phase
        self.reason = reason
        self.message = message
        self.time = time
    }
}
