/// What one tunnel should be, as a checked value: everything its URL has, and nothing about where
/// it came from.
///
/// Two specs are equal when running one instead of the other makes no difference. `TunnelURL` is
/// the one-line form, `ManifestSchema` the table that gives for each field its YAML key, URL
/// parameter, default and change class.
package struct TunnelSpec: Sendable, Hashable {
    package var role: TunnelRole
    /// The shared secret before the `@`; nil means the default derived from the port
    /// (`effectiveKey`).
    package var key: Secret?
    /// Where the client connects to the server; a single-end client listens here.
    package var tunnel: Endpoint
    /// Where traffic goes to (dialling side) or comes in (listening side, first one only); never
    /// empty.
    package var targets: [Endpoint]
    package var mode = TunnelMode.auto
    /// Nil when not given: a server runs without TLS (or with its master's), a client accepts what its
    /// server has.
    package var tls: TLSMode?
    package var handshake = HandshakePolicy.auto
    /// Server only: what it offers, never empty; the client takes the first that works on its path.
    package var transports = [PoolTransport.tcp]
    package var sni: String?
    /// Of handshakes and WebSockets; nil for `/`.
    package var path: String?
    /// The name in their `Host`: a client's to send, a server's to insist on.
    package var host: String?
    /// Which of the tunnels behind one port is meant; nil where there is one alone.
    package var service: String?
    /// Through which a client reaches its server; nil for none.
    package var via: ProxyAddress?
    package var pool = PoolSize()
    /// Megabits (10^6 bits) per second each way, for all connections of the tunnel together; 0 = no
    /// limit.
    package var rateMbps = 0
    /// TCP connections and UDP sessions at once; 0 = no limit.
    package var connections = 65536
    /// An open connection without a byte either way for this long is closed; zero = never.
    package var readTimeout = Duration.zero
    /// A peer that says nothing is asked after this long whether it is still there; zero = never.
    package var keepalive = Duration.seconds(15)
    /// How long a resolved name is kept; zero = resolve for every connection.
    package var dnsTTL = Duration.seconds(300)
    /// Source address of connections to the target; nil = the system chooses.
    package var dialFrom: String?
    package var proxyProtocol = ProxyProtocol.off
    package var block = Set<BlockedProtocol>()
    package var protocols = Set<TransportProtocol>([.tcp, .udp])
    package var access = AccessRules()
    /// How long established connections may finish when the tunnel stops or moves.
    package var drain = Duration.seconds(30)
    package var log = LogLevel.info
    /// Query parameters we do not know, kept in the order given so that a URL survives a round
    /// trip.
    package var unknownParameters: [QueryParameter] = []
    /// What must not be shown of all this; see `hiding`.
    package var secretTexts = SecretTexts()
    package var exchangeLines = ExchangeLines()

    package init(role: TunnelRole, tunnel: Endpoint, targets: [Endpoint]) {
        self.role = role
        self.tunnel = tunnel
        self.targets = targets
    }

    /// Bytes per second each way, or nil without a limit.
    ///
    /// 1 Mbps = 125,000 B/s as in NodePass.
    package var rateBytesPerSecond: Int? { rateMbps > 0 ? rateMbps * 125_000 : nil }
}

package enum TunnelRole: String, Sendable, Hashable, CaseIterable {
    case server
    case client
}

/// The `mode` parameter; what 1 and 2 mean depends on the role.
package enum TunnelMode: Int, Sendable, Hashable, CaseIterable {
    case auto = 0
    /// server: reverse (listens on the target address). client: single (no server at all).
    case one = 1
    /// server: forward (dials the target). client: dual (connects to a server).
    case two = 2

    /// The manifest's word for it: auto, reverse, forward for a server; auto, single, dual for a
    /// client.
    package func name(for role: TunnelRole) -> String {
        switch (self, role) {
        case (.auto, _): "auto"
        case (.one, .server): "reverse"
        case (.two, .server): "forward"
        case (.one, .client): "single"
        case (.two, .client): "dual"
        }
    }
}

package enum TLSMode: Sendable, Hashable {
    case off
    case selfSigned
    /// PEM files; paths as given.
    case files(certificate: String, key: String)
    /// `tls=2` in a server's URL without both paths: kept so that the tunnel fails with a reason instead
    /// of running without.
    case filesMissing
    /// A client's: its server has a certificate that an authority has signed.
    case verified

    /// The `tls` parameter: 0, 1 or 2.
    package var code: Int {
        switch self {
        case .off: 0
        case .selfSigned: 1
        case .files, .filesMissing, .verified: 2
        }
    }
}

extension TunnelSpec {
    /// What a server secures its links with: those over HTTP/2 and QUIC are never without TLS.
    package var linkTLS: TLSMode {
        let tls = tls ?? .off
        return tls == .off && (transports.contains(.http2) || transports.contains(.quic)) ? .selfSigned : tls
    }

    /// The first of what a server offers; to be set where it offers one alone.
    package var transport: PoolTransport {
        get { transports[0] }
        set { transports = [newValue] }
    }
}

/// How the two ends of a tunnel prove its key to each other.
package enum HandshakePolicy: String, Sendable, Hashable, CaseIterable {
    /// Sealed if the other end can; once it could, nothing less.
    case auto
    /// Sealed only.
    case sealed
    /// As NodePass v1.14 does.
    case compatible

    /// What `compatible` means for whom it matters.
    package static let compatibleCost =
        "compatible: anyone who sees one handshake can repeat it and try keys offline; "
        + "set auto once both ends can do better"
}

/// The `type` parameter: what carries the pool's links.
package enum PoolTransport: Sendable, Hashable {
    case tcp
    case quic
    case websocket
    case http2
    /// A `type` of a later version, kept so that the tunnel fails with a reason.
    case unknown(String)

    /// What `auto` offers: the one that loses least on a bad path, then the one that passes everywhere.
    package static let automatic: [PoolTransport] = [.quic, .websocket]
}

/// Idle links kept ready between two ends; `min` is the client's, `max` the server's parameter.
package struct PoolSize: Sendable, Hashable {
    package var min = 64
    package var max = 1024

    package init(min: Int = 64, max: Int = 1024) {
        self.min = min
        self.max = max
    }
}

package enum ProxyProtocol: Int, Sendable, Hashable, CaseIterable {
    case off = 0
    case v1 = 1
    case v2 = 2
}

package enum BlockedProtocol: Int, Sendable, Hashable, CaseIterable {
    case socks = 1
    case http = 2
    case tls = 3
}

package enum TransportProtocol: String, Sendable, Hashable, CaseIterable {
    case tcp
    case udp
}

/// Who may connect: `deny` takes precedence; an empty `allow` allows everyone who is not denied.
package struct AccessRules: Sendable, Hashable {
    package var allow: [IPNetwork]
    package var deny: [IPNetwork]

    package init(allow: [IPNetwork] = [], deny: [IPNetwork] = []) {
        self.allow = allow
        self.deny = deny
    }

    package var isEmpty: Bool { allow.isEmpty && deny.isEmpty }

    package func admits(_ address: IPAddress) -> Bool {
        if deny.contains(where: { $0.contains(address) }) { return false }
        return allow.isEmpty || allow.contains { $0.contains(address) }
    }
}

/// NodePass's log levels; a level shows itself and everything after it, `none` shows nothing.
package enum LogLevel: String, Sendable, Hashable, CaseIterable {
    case none
    case debug
    case info
    case warn
    case error
    case event
}
