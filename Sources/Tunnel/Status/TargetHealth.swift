package import Config
package import FoundationEssentials

/// How the users of a tunnel fared with one of its targets.
package struct TargetHealth: Sendable, Hashable {
    /// A target that failed this often in a row is down: one failure may be a restart.
    package static let downAfter = 3

    /// Nil for the target that the other end of the tunnel dials.
    package let target: Endpoint?
    /// What went wrong last, and when; it stays when the target is reached again.
    package var error: String?
    package var errorTime: Date?
    /// Failures since the target was last reached, and when the first of them was.
    package var failures = 0
    package var failingSince: Date?
    package var reachedTime: Date?
    /// All failures so far.
    package var totals: [TargetFailure: Int] = [:]

    package init(target: Endpoint?) {
        self.target = target
    }

    /// Users were sent there, and none was connected for a while.
    package var isDown: Bool { failures >= Self.downAfter }

    /// Nobody has been connected to it, and nobody has tried.
    var isUnknown: Bool { errorTime == nil && reachedTime == nil }

    package mutating func failed(_ failure: TargetFailure, _ problem: String, at time: Date) {
        note(problem, at: time)
        if failures == 0 { failingSince = time }
        failures += 1
        totals[failure, default: 0] += 1
    }

    /// A user was turned away, and the target is not at fault.
    mutating func note(_ problem: String, at time: Date) {
        error = problem
        errorTime = time
    }

    package mutating func reached(at time: Date) {
        reachedTime = time
        failures = 0
        failingSince = nil
    }
}
