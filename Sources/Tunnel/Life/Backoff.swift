/// Delays between attempts: doubling from `base` up to `cap`, each spread over ±25 % so that many
/// tunnels do not retry in step.
package struct Backoff: Sendable {
    private let base: Duration
    private let cap: Duration
    /// Attempts that failed in a row.
    package private(set) var failures = 0

    package init(base: Duration = TunnelLimits.retryBase, cap: Duration = TunnelLimits.retryCap) {
        self.base = base
        self.cap = cap
    }

    /// The delay before the next attempt, after one more failure.
    package mutating func next(using random: inout some RandomNumberGenerator) -> Duration {
        let doublings = min(failures, 16)
        failures += 1
        let plain = min(base * (1 << doublings), cap)
        return min(plain * Double.random(in: 0.75...1.25, using: &random), cap)
    }

    package mutating func reset() {
        failures = 0
    }
}
