package import Config
package import FoundationEssentials

/// How the users of a tunnel fared with one of its targets.
package struct TargetHealth: Sendable, Hashable {
    /// Nil for the target that the other end of the tunnel dials.
    package let target: Endpoint?
    /// What went wrong last, and when; it stays when the target is reached again.
    package var error: String?
    package var errorTime: Date?
    /// Failures since the target was last reached.
    package var failures = 0
    package var reachedTime: Date?

    package init(target: Endpoint?) {
        self.target = target
    }

    /// Nobody has been connected to it, and nobody has tried.
    var isUnknown: Bool { errorTime == nil && reachedTime == nil }

    mutating func failed(_ problem: String, at time: Date) {
        error = problem
        errorTime = time
        failures += 1
    }

    mutating func reached(at time: Date) {
        reachedTime = time
        failures = 0
    }
}
