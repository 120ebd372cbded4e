import NIOCore

/// Finds UDP sessions that have gone silent: one timer for all of them, and none while there is no
/// session.
final class IdleSweep {
    private let limit: TimeAmount
    private var timer: Scheduled<Void>?

    init(limit: Duration) {
        self.limit = TimeAmount(limit)
    }

    /// Begins unless it runs; four times in each limit, `closeIdle` gets the time before which a
    /// session's last sign is too old, and says whether sessions are left.
    func start(on loop: any EventLoop, closeIdle: @escaping (_ horizon: NIODeadline) -> Bool) {
        guard timer == nil else { return }
        let interval = TimeAmount.nanoseconds(max(limit.nanoseconds / 4, 1_000_000))
        timer = loop.assumeIsolated().scheduleTask(in: interval) {
            self.timer = nil
            if closeIdle(.now() - self.limit) { self.start(on: loop, closeIdle: closeIdle) }
        }
    }

    func stop() {
        timer?.cancel()
        timer = nil
    }
}
