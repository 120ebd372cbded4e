/// The one table of tunnel keys.
///
/// The reader, the JSON Schema, the URL mapping in both directions, plans and the documentation all come from it: a key
/// that is not a row here does not exist.
package enum ManifestSchema {
    /// In the order people write them.
    package static let fields: [TunnelField] = place + session + traffic + presentation

    /// The key whose value is the one-line form of a tunnel.
    package static let urlKey = "url"

    /// Keys that hold further keys: `pool`, `limits`, ….
    static let groups = Set(
        fields.compactMap { field in field.path.split(separator: ".").dropLast().first.map(String.init) }
    )
    static let fieldsByPath = Dictionary(uniqueKeysWithValues: fields.map { ($0.path, $0) })
    static let fieldsByParameter = Dictionary(
        uniqueKeysWithValues: fields.flatMap { field in field.parameters.map { ($0, field) } }
    )

    /// The keys directly below a tunnel, or below one of its groups.
    static func keys(in group: String?) -> [String] {
        guard let group else {
            var seen = Set<Substring>()
            let names = fields.compactMap { $0.path.split(separator: ".").first }
            return names.filter { seen.insert($0).inserted }.map(String.init) + [urlKey]
        }
        return fields.map(\.path).filter { $0.hasPrefix(group + ".") }.map { String($0.dropFirst(group.count + 1)) }
    }

    /// Where the tunnel is and what it is.
    private static let place: [TunnelField] = [.role, .tunnel, .target, .mode, .key]

    /// What the two ends agree on.
    private static let session: [TunnelField] = [
        .tls,
        .transport,
        .parameter(
            "sni",
            "sni",
            "Server name the client asks for in the TLS and HTTP handshakes.",
            \.sni,
            .session,
            roles: [.client],
            syntax: .serverName,
            query: .serverName
        ),
        .parameter(
            "pool.min",
            "min",
            "Idle links a client keeps ready.",
            \.pool.min,
            .live,
            roles: [.client],
            syntax: .number(1...PoolSize.limit),
            query: .number(1...PoolSize.limit, otherwise: 1, "1")
        ),
        .parameter(
            "pool.max",
            "max",
            "Idle links a server allows.",
            \.pool.max,
            .live,
            roles: [.server],
            syntax: .number(1...PoolSize.limit),
            query: .number(1...PoolSize.limit, otherwise: 1, "1")
        ),
    ]

    /// What happens to connections.
    private static let traffic: [TunnelField] = [
        .parameter(
            "limits.rate",
            "rate",
            "Bits per second each way for all connections together; 0 means no limit.",
            \.rateMbps,
            .live,
            syntax: .rate,
            query: .number(0...TunnelSpec.rateLimitMbps, otherwise: 0, "0, no limit")
        ),
        .parameter(
            "limits.connections",
            "slot",
            "TCP connections and UDP sessions at once; 0 means no limit.",
            \.connections,
            .live,
            syntax: .number(0...TunnelSpec.connectionsLimit),
            query: .number(0...TunnelSpec.connectionsLimit, otherwise: 0, "0, no limit")
        ),
        .parameter(
            "timeouts.read",
            "read",
            "A connection without a byte either way for this long is closed; 0 means never.",
            \.readTimeout,
            .live,
            syntax: .duration,
            query: .duration(otherwise: .zero, "0, never")
        ),
        .parameter(
            "dns.ttl",
            "dns",
            "How long a resolved name is kept; 0 resolves for every connection.",
            \.dnsTTL,
            .live,
            syntax: .duration,
            query: .duration(otherwise: .zero, "0, resolve every time")
        ),
        .parameter(
            "dial",
            "dial",
            "Source address of connections to the target.",
            \.dialFrom,
            .live,
            syntax: .sourceAddress,
            query: .sourceAddress
        ),
        .parameter(
            "proxyProtocol",
            "proxy",
            "PROXY protocol header sent to the target.",
            \.proxyProtocol,
            .live,
            syntax: .words([("off", .off), ("v1", .v1), ("v2", .v2)]),
            query: .words([("0", .off), ("1", .v1), ("2", .v2)], otherwise: .off, "0, off")
        ),
        .block, .protocols, .allow, .deny,
        .parameter(
            "drain",
            "drain",
            "How long established connections may finish when the tunnel stops or moves.",
            \.drain,
            .live,
            syntax: .duration,
            query: .duration(otherwise: TunnelSpec.standard.drain, "30s")
        ),
    ]

    /// What people see.
    private static let presentation: [TunnelField] = [
        .parameter(
            "log",
            "log",
            "Log level of this tunnel.",
            \.log,
            .live,
            syntax: .words(LogLevel.allCases.map { ($0.rawValue, $0) }),
            query: .words(LogLevel.allCases.map { ($0.rawValue, $0) }, otherwise: .info, "info")
        ),
        .label("alias", "Name shown in dashboards.", \.labels.alias),
        .tags,
        .label("peer.sid", "Id of the service this end belongs to.", \.labels.peer.sid),
        .label("peer.type", "Kind of that service.", \.labels.peer.type),
        .label("peer.alias", "Name of the other end.", \.labels.peer.alias),
        .state,
    ]
}

extension TunnelSpec {
    /// 10 Tbit/s: above every link, and bytes per second still fit easily.
    package static let rateLimitMbps = 10_000_000
    package static let connectionsLimit = 10_000_000
    /// Targets one tunnel may name.
    package static let targetLimit = 256
}

extension PoolSize {
    /// Each idle link is an open connection at both ends.
    package static let limit = 1_000_000
}
