package import NIOCore

/// Lines about a state that lasts: one at once, then after 1, 2, 4, 8 … s, and in the end one a minute.
package struct LinePace: Sendable {
    private static let first = TimeAmount.seconds(1)

    private var due: NIODeadline?
    private var pause = first

    package init() {}

    /// Whether a line may be written now; after a quiet minute it begins anew.
    package mutating func isDue(now: NIODeadline) -> Bool {
        if let due {
            guard now >= due else { return false }
            let isNew = now - due >= ThinnedCount.interval
            pause = isNew ? Self.first : min(pause * 2, ThinnedCount.interval)
        }
        due = now + pause
        return true
    }
}
