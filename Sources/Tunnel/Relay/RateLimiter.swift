import NIOCore
import Synchronization

/// Shapes one direction of a tunnel to a byte rate, shared by all its connections on all loops.
///
/// A virtual clock (the generic cell rate algorithm, ITU-T I.371): each byte moves the clock on by
/// its share of a second. A connection that has moved it past the present waits until the present
/// has caught up before it reads again. Each has its own timer, so that none depends on another's
/// traffic to be woken, and bytes already read are never held back or dropped.
final class RateLimiter: Sendable {
    private let nanosecondsPerByte: Double
    /// When the bytes taken so far will have been paid for, in nanoseconds of `NIODeadline`.
    private let paidUntil = Atomic<UInt64>(0)
    /// How far ahead of the clock traffic may run: enough to keep a fast link busy between timers,
    /// too little to be seen.
    private static let burst = TimeAmount.milliseconds(10)

    init(bytesPerSecond: Int) {
        nanosecondsPerByte = 1e9 / Double(max(bytesPerSecond, 1))
    }

    /// Takes `bytes` that were just read and says how long to wait before reading again; nil = go
    /// on.
    func take(_ bytes: Int, now: NIODeadline = .now()) -> TimeAmount? {
        let cost = UInt64(Double(bytes) * nanosecondsPerByte)
        let present = now.uptimeNanoseconds
        var seen = paidUntil.load(ordering: .relaxed)
        while true {
            let next = max(seen, present) &+ cost
            let (exchanged, original) = paidUntil.weakCompareExchange(
                expected: seen,
                desired: next,
                ordering: .relaxed
            )
            if exchanged {
                let ahead = Int64(next - present)
                return ahead > Self.burst.nanoseconds ? .nanoseconds(ahead - Self.burst.nanoseconds) : nil
            }
            seen = original
        }
    }
}

/// Both directions of one tunnel's rate limit; each has the whole rate, as in NodePass.
final class RatePair: Sendable {
    let bytesPerSecond: Int
    let fromUser: RateLimiter
    let toUser: RateLimiter

    init(bytesPerSecond: Int) {
        self.bytesPerSecond = bytesPerSecond
        fromUser = RateLimiter(bytesPerSecond: bytesPerSecond)
        toUser = RateLimiter(bytesPerSecond: bytesPerSecond)
    }
}
