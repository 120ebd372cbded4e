package import FoundationEssentials
package import Logging

/// What a reconciler gets at its start and never changes: choices, clocks and a logger.
package struct ReconcilerSettings: Sendable {
    let defaults: MasterDefaults
    /// Nothing is done before a manifest has been read, be it a rejected one.
    let expectsManifest: Bool
    /// False keeps tunnels that leave the manifest, whatever its policy says (`--no-prune`).
    let prune: Bool
    let reportInterval: Duration
    let clock: any Clock<Duration>
    /// Time since the start, by `clock`.
    let uptime: @Sendable () -> Duration
    let now: @Sendable () -> Date
    /// Problems of the daemon that the reconciler does not see itself.
    let surroundings: @Sendable (Date) -> [Problem]
    let logger: Logger

    package init(
        defaults: MasterDefaults = MasterDefaults(),
        expectsManifest: Bool,
        prune: Bool = true,
        reportInterval: Duration = .seconds(5),
        clock: any Clock<Duration> = ContinuousClock(),
        now: @escaping @Sendable () -> Date = { Date() },
        surroundings: @escaping @Sendable (Date) -> [Problem] = { _ in [] },
        logger: Logger
    ) {
        self.defaults = defaults
        self.expectsManifest = expectsManifest
        self.prune = prune
        self.reportInterval = reportInterval
        self.clock = clock
        uptime = Self.uptime(of: clock)
        self.now = now
        self.surroundings = surroundings
        self.logger = logger
    }

    private static func uptime(of clock: some Clock<Duration>) -> @Sendable () -> Duration {
        let start = clock.now
        return { start.duration(to: clock.now) }
    }
}
