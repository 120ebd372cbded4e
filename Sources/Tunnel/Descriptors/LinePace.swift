package import NIOCore

/// At most one log line a second, however often there is something to say.
package struct LinePace: Sendable {
    private var due: NIODeadline?

    package init() {}

    /// Whether a line may be written now; the next one may in a second.
    package mutating func isDue(now: NIODeadline) -> Bool {
        if let due, now < due { return false }
        due = now + TimeAmount.seconds(1)
        return true
    }
}
