import NIOCore

/// Notices a UDP target that is sent to and sends nothing back: its name may have moved, and no error shows it.
struct TargetSilence {
    private var since: NIODeadline?

    mutating func sent(_ now: NIODeadline) {
        if since == nil { since = now }
    }

    mutating func replied() { since = nil }

    /// True once the silence has lasted too long; it then counts anew, so that each look-up has a silence of its own.
    mutating func isDue(_ now: NIODeadline) -> Bool {
        guard let begin = since, now - begin >= TimeAmount(TunnelLimits.silentTarget) else { return false }
        since = now
        return true
    }
}
