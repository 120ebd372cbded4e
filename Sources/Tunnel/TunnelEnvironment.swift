import Config
import NIOCore

/// NodePass's environment variables, read once when the process starts, and the limits of ours that have no variable.
///
/// `NP_UDP_DIAL_TIMEOUT` has nothing to limit here: connecting a UDP socket never waits. Source of names, defaults and the rule "negative or unreadable means default": NodePass v1.14.
package struct TunnelEnvironment: Sendable, Hashable {
    /// `NP_TCP_DIAL_TIMEOUT`: one attempt to reach one address of a target.
    package var tcpDialTimeout = Duration.seconds(5)
    /// `NP_UDP_READ_TIMEOUT`: a UDP session without a datagram either way for this long is forgotten.
    package var udpIdleTimeout = Duration.seconds(30)
    /// `NP_REPORT_INTERVAL`: how often counters are reported.
    package var reportInterval = Duration.seconds(5)
    /// `NP_HANDSHAKE_TIMEOUT`: a handshake, and anything on the tunnel's port that has not said what it is.
    package var handshakeTimeout = Duration.seconds(5)
    /// `NP_POOL_GET_TIMEOUT`: how long a user waits for a link, and a signal for the link it names.
    package var poolGetTimeout = Duration.seconds(5)
    /// `NP_MIN_POOL_INTERVAL` and `NP_MAX_POOL_INTERVAL`: the wait between attempts when links can not be dialled.
    package var minPoolInterval = Duration.milliseconds(100)
    package var maxPoolInterval = Duration.seconds(1)
    /// `NP_SERVICE_COOLDOWN`: the longest wait between attempts to meet the server.
    package var serviceCooldown = Duration.seconds(3)
    /// `NP_RELOAD_INTERVAL`: certificate files are looked at no more often than this; nil = ours, which is often.
    package var reloadInterval: Duration?
    /// `NP_SEMAPHORE_LIMIT`: signals that may wait for a peer that does not read.
    package var semaphoreLimit = 65_536
    /// `NP_TCP_DATA_BUF_SIZE`: most bytes read from a connection at once; ours grows far beyond NodePass's 16 KiB.
    package var readBufferMaxBytes = TunnelLimits.readBufferMaxBytes
    /// `NP_UDP_DATA_BUF_SIZE`: the longest datagram taken; ours is the longest there is.
    package var datagramBufferBytes = TunnelLimits.datagramBufferBytes
    /// `SSL_CERT_FILE`: the authorities a client trusts with `tls=2`, a PEM file; nil for the system's.
    package var certificateAuthorities: String?
    /// `NP_SHUTDOWN_TIMEOUT`: how long a foreground tunnel may take to stop.
    package var shutdownTimeout = Duration.seconds(5)

    package init() {}

    package init(variables: [String: String]) {
        func duration(_ name: String, _ fallback: Duration) -> Duration {
            guard let value = variables[name].flatMap({ GoDuration.parse($0) }), value > .zero else { return fallback }
            return value
        }
        func count(_ name: String, _ fallback: Int, _ limit: Int) -> Int {
            guard let value = variables[name].flatMap({ Int($0) }), value > 0 else { return fallback }
            return min(value, limit)
        }
        handshakeTimeout = duration("NP_HANDSHAKE_TIMEOUT", handshakeTimeout)
        poolGetTimeout = duration("NP_POOL_GET_TIMEOUT", poolGetTimeout)
        minPoolInterval = duration("NP_MIN_POOL_INTERVAL", minPoolInterval)
        maxPoolInterval = duration("NP_MAX_POOL_INTERVAL", maxPoolInterval)
        serviceCooldown = duration("NP_SERVICE_COOLDOWN", serviceCooldown)
        let reload = duration("NP_RELOAD_INTERVAL", .zero)
        reloadInterval = reload > .zero ? reload : nil
        semaphoreLimit = count("NP_SEMAPHORE_LIMIT", semaphoreLimit, 1 << 20)
        readBufferMaxBytes = count("NP_TCP_DATA_BUF_SIZE", readBufferMaxBytes, 1 << 24)
        datagramBufferBytes = count("NP_UDP_DATA_BUF_SIZE", datagramBufferBytes, TunnelLimits.datagramBufferBytes)
        certificateAuthorities = variables["SSL_CERT_FILE"].flatMap { $0.isEmpty ? nil : $0 }
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
    /// How often the system is asked for a port that is free for TCP and UDP alike, where any will do.
    static let portChoices = 8
    /// A listener that refused a user, or could not accept one, for want of descriptors accepts nothing for this long;
    /// trying at once would spin.
    static let acceptPause = Duration.milliseconds(100)
    /// Most connections that a listener accepts in a row before others get their turn.
    static let acceptBatch = 16
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
    /// A signal is some 150 bytes; a longer line than this is no signal.
    package static let signalLineBytes = 8192
    /// Lines in a row that are no signals before the control link is given up.
    static let badSignalLines = 32
    /// What a refusal's reason may fill of a log line.
    static let refusalTextLength = 200
    /// A handshake's head, or the body of its reply.
    package static let handshakeHeadBytes = 8192
    /// Failed handshakes of one address within a window; more are answered 429.
    ///
    /// NodePass tries again every 3 s.
    package static let handshakeFailures = 10
    package static let handshakeFailureWindow = Duration.seconds(10)
    package static let handshakeFailureAddresses = 4096
    /// Connections to one tunnel's port that are neither links nor refused yet.
    static let meetingConnections = 1024
    /// Where a link's client says nothing first, a returning client's request gets this long to arrive behind its
    /// connection; every link of a NodePass client without TLS comes this much later.
    static let firstByteWait = Duration.milliseconds(8)
    /// A present client that does not answer a ping for this long makes way for another.
    static let ghostPatience = Duration.milliseconds(700)
    /// Link dials under way at once, of one tunnel.
    package static let parallelLinkDials = 32
    /// NodePass's wait for a link's id.
    static let linkIDWait = Duration.seconds(60)
    /// Between attempts to dial links right after the handshake, when a NodePass server is rebinding its port.
    static let redialAfterHandshake = Duration.milliseconds(20)
    /// Bytes kept that a user sent over a link ahead of its signal; more wait in the kernel.
    static let linkEarlyBytes = 64 * 1024
    /// The id and certificate of a link that ended unused are remembered this long; a signal may still name it.
    static let endedLinkMemory = Duration.seconds(10)
    /// How long the own `verify` waits until there are links to choose from.
    static let verifyPatience = Duration.milliseconds(40)
    /// Idle links left for a peer that will take one for itself; more than one, because users may come in between.
    static let sparedLinks = 2
    /// Links named by signals that are not here yet.
    static let awaitedLinks = 1024
    /// Users that wait for a link.
    static let waitingUsers = 4096
    /// Keep-alive probes without an answer before the kernel gives a link up.
    static let keepAliveProbes: SocketOptionValue = 3
    /// The longest datagram a NodePass peer takes from a link.
    static let unframedDatagramBytes = 16_384
    /// Delays between attempts to meet the server; the cap is lower for the first attempts, so that a server that was
    /// restarted is met within a second.
    package static let redialBase = Duration.milliseconds(50)
    package static let redialCap = Duration.milliseconds(600)
    package static let redialEagerAttempts = 500
    /// A session that lasted this long was no failure: what follows is tried at once again.
    static let stableSession = Duration.seconds(3)
    /// Retry delays of a tunnel that can not start.
    package static let retryBase = Duration.seconds(1)
    package static let retryCap = Duration.seconds(60)
    /// How often the files of a tunnel that failed for its certificate are looked at.
    static let certificateLook = Duration.seconds(2)
    /// Log lines waiting for their reader; the oldest is dropped.
    static let logLineBacklog = 4096
}
