import Config

/// Decides how long a tunnel waits before it tries again, and numbers the waits so that one that
/// was cancelled too late is known.
struct RetryPlan: Sendable {
    private var backoff = Backoff()
    /// Between attempts to reach the server, which follow one another faster than other retries.
    private var redial = Backoff(base: TunnelLimits.redialBase, cap: TunnelLimits.redialCap)
    private let redialPause: Duration
    private let lookInterval: Duration
    private var waits = 0
    /// The wait that has not ended.
    private(set) var waiting: Int?

    init(_ environment: TunnelEnvironment) {
        redialPause = environment.serviceCooldown
        lookInterval = environment.reloadInterval ?? TunnelLimits.certificateLook
    }

    /// Forgets all failures.
    mutating func reset() {
        backoff.reset()
        redial.reset()
    }

    mutating func succeeded() {
        backoff.reset()
    }

    /// The wait before the next attempt, after one more failure for this reason.
    mutating func retry(
        after reason: TunnelReason,
        using random: inout some RandomNumberGenerator
    ) -> TunnelLife.Wait {
        begin(delay(after: reason, &random), .retry)
    }

    mutating func certificateLook() -> TunnelLife.Wait {
        begin(lookInterval, .certificateLook)
    }

    /// True when the wait of this number was still wanted; it has ended then.
    mutating func ended(_ number: Int) -> Bool {
        number == waiting && cancel()
    }

    /// True when there was a wait.
    mutating func cancel() -> Bool {
        defer { waiting = nil }
        return waiting != nil
    }

    private mutating func begin(_ after: Duration, _ purpose: TunnelLife.Wait.Purpose) -> TunnelLife.Wait {
        waits += 1
        waiting = waits
        return TunnelLife.Wait(number: waits, after: after, purpose: purpose)
    }

    private mutating func delay(after reason: TunnelReason, _ random: inout some RandomNumberGenerator) -> Duration {
        switch reason {
        case .standby: return TunnelLimits.standbyInterval * Double.random(in: 0.8...1.2, using: &random)
        case .peerUnreachable, .serviceUnknown:
            // Eager for the first minutes, so that a server that was restarted is reached within a
            // second.
            let isEager = redial.failures < TunnelLimits.redialEagerAttempts
            let delay = redial.next(using: &random)
            return isEager ? delay : max(delay, redialPause)
        default: return backoff.next(using: &random)
        }
    }
}
