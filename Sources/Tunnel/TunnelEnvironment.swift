import Config

/// NodePass's environment variables, read once when the process starts, and the limits of ours that have no variable.
///
/// Source of names, defaults and the rule "negative or unreadable means default": NodePass v1.14.
package struct TunnelEnvironment: Sendable, Hashable {
    /// `NP_TCP_DIAL_TIMEOUT`: one attempt to reach one address of a target.
    package var tcpDialTimeout = Duration.seconds(5)
    /// `NP_UDP_READ_TIMEOUT`: a UDP session without a datagram either way for this long is forgotten.
    package var udpIdleTimeout = Duration.seconds(30)
    /// `NP_REPORT_INTERVAL`: how often counters are reported.
    package var reportInterval = Duration.seconds(5)
    /// `NP_SHUTDOWN_TIMEOUT`: how long a foreground tunnel may take to stop.
    package var shutdownTimeout = Duration.seconds(5)

    package init() {}

    package init(variables: [String: String]) {
        func duration(_ name: String, _ fallback: Duration) -> Duration {
            guard let value = variables[name].flatMap({ GoDuration.parse($0) }), value > .zero else { return fallback }
            return value
        }
        tcpDialTimeout = duration("NP_TCP_DIAL_TIMEOUT", tcpDialTimeout)
        udpIdleTimeout = duration("NP_UDP_READ_TIMEOUT", udpIdleTimeout)
        reportInterval = duration("NP_REPORT_INTERVAL", reportInterval)
        shutdownTimeout = duration("NP_SHUTDOWN_TIMEOUT", shutdownTimeout)
    }
}

/// Limits of the data plane, each with its reason.
package enum TunnelLimits {
    /// Connections the kernel may hold for us before they are accepted; Linux caps it at `net.core.somaxconn`.
    static let acceptBacklog: Int32 = 4096
    /// Wait after an accept that failed for want of file descriptors; retrying at once would spin.
    static let acceptBackoff = Duration.milliseconds(100)
    /// How long a connection's first bytes are awaited before the target is dialled anyway, where `block` is set: servers
    /// that speak first must not wait for a client that waits for them.
    static let sniffWait = Duration.milliseconds(150)
    /// A connection with one direction ended may stay silent this long; longer means that the other end has gone.
    static let halfClosedIdle = Duration.seconds(600)
    /// After one side vanished, the other gets this long to take what was already read for it.
    static let lingerAfterReset = Duration.seconds(30)
    /// Bytes one side may have queued before reading from the other stops, and below which it resumes.
    static let writeBufferHighBytes = 1024 * 1024
    static let writeBufferLowBytes = 256 * 1024
    /// Most bytes taken from a socket at once; grows from the smaller one as a connection proves busy.
    static let readBufferMaxBytes = 256 * 1024
    static let readBufferInitialBytes = 8 * 1024
    /// The same under a rate limit, where big reads would come out as bursts.
    static let readBufferMaxBytesWhenLimited = 16 * 1024
    /// The largest datagram IPv4 and IPv6 can carry without jumbograms is 65,527 bytes; a buffer holds any of them.
    static let datagramBufferBytes = 65_536
    /// Datagrams read from one socket before others get their turn.
    static let datagramsPerRead: UInt = 32
    /// Asked of the kernel for each UDP listener so that bursts survive; Linux caps it at `net.core.rmem_max`.
    static let datagramSocketBufferBytes = 4 * 1024 * 1024
    /// Datagrams of one session held while its target is being resolved.
    static let datagramsWhileConnecting = 128
    /// A target that failed is tried last for this long.
    static let failedTargetHold = Duration.seconds(10)
    /// Names kept by the resolver; the oldest goes first.
    static let resolverEntries = 4096
    /// Retry delays of a tunnel that can not start.
    package static let retryBase = Duration.seconds(1)
    package static let retryCap = Duration.seconds(60)
    /// Log lines waiting for their reader; the oldest is dropped.
    static let logLineBacklog = 4096
}
