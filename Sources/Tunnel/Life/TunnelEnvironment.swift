import Config

/// NodePass's environment variables, read once when the process starts, and the limits of ours that
/// have no variable.
///
/// `NP_UDP_DIAL_TIMEOUT` has nothing to limit here: connecting a UDP socket never waits. Source of
/// names, defaults and the rule "negative or unreadable means default": NodePass v1.14.
package struct TunnelEnvironment: Sendable, Hashable {
    /// `NP_TCP_DIAL_TIMEOUT`: one attempt to reach one address of a target.
    package var tcpDialTimeout = Duration.seconds(5)
    /// `NP_UDP_READ_TIMEOUT`: a UDP session without a datagram either way for this long is
    /// forgotten.
    package var udpIdleTimeout = Duration.seconds(30)
    /// `NP_REPORT_INTERVAL`: how often counters are reported.
    package var reportInterval = Duration.seconds(5)
    /// `NP_HANDSHAKE_TIMEOUT`: a handshake, and anything on the tunnel's port that has not said
    /// what it is.
    package var handshakeTimeout = Duration.seconds(5)
    /// `NP_POOL_GET_TIMEOUT`: how long a user waits for a link, and a signal for the link it names.
    package var poolGetTimeout = Duration.seconds(5)
    /// `NP_MIN_POOL_INTERVAL` and `NP_MAX_POOL_INTERVAL`: the wait between attempts when links
    /// cannot be dialled.
    package var minPoolInterval = Duration.milliseconds(100)
    package var maxPoolInterval = Duration.seconds(1)
    /// `NP_SERVICE_COOLDOWN`: the longest wait between attempts to reach the server.
    package var serviceCooldown = Duration.seconds(3)
    /// `NP_RELOAD_INTERVAL`: certificate files are looked at no more often than this; nil = ours,
    /// which is often.
    package var reloadInterval: Duration?
    /// `NP_SEMAPHORE_LIMIT`: signals that may wait for a peer that does not read.
    package var semaphoreLimit = 65_536
    /// `NP_TCP_DATA_BUF_SIZE`: most bytes read from a connection at once; ours grows far beyond
    /// NodePass's 16 KiB.
    package var readBufferMaxBytes = TunnelLimits.readBufferMaxBytes
    /// `NP_UDP_DATA_BUF_SIZE`: the longest datagram taken; ours is the longest there is.
    package var datagramBufferBytes = TunnelLimits.datagramBufferBytes
    /// `SSL_CERT_FILE`: the authorities a client trusts with `tls=2`, a PEM file; nil for the
    /// system's.
    package var certificateAuthorities: String?
    /// `NODEPASS_REACTORS=off` has plain TCP relayed as TLS is, over channels: for systems whose
    /// `epoll` or `splice` misbehaves, and for comparisons.
    package var hasReactors = true
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
        hasReactors = variables["NODEPASS_REACTORS"] != "off"
        shutdownTimeout = duration("NP_SHUTDOWN_TIMEOUT", shutdownTimeout)
    }
}
