import Config

/// Tunnels for what frp's TOML files declare (https://gofrp.org/en/docs/reference/).
///
/// frp's server learns of proxies from its clients, so that both ends are made from the clients' files; the server's file
/// adds where it listens and its certificate. Each proxy becomes a tunnel with a port of its own between the ends.
struct FRPConversion {
    private let end: Conversion.End
    private var conversion = Conversion()
    private var nextPort: Int?
    private var server = Server()

    /// What frps.toml says of all tunnels.
    private struct Server {
        var bindAddress = ""
        var userAddress = ""
        var certificate: TLSMode?
    }

    /// What a frpc.toml says of all its proxies.
    private struct Client {
        var serverAddress = ""
        var transport = PoolTransport.tcp
        var hasTLS = true
        var authority: String?
        var poolMinimum: Int?
        var proxy: ProxyAddress?
        var started: Set<String> = []
        var keyNote = ""
    }

    /// `firstPort` is the first port between the ends; nil for the one after frp's own.
    static func convert(
        _ files: [(name: String, text: String)],
        for end: Conversion.End,
        firstPort: UInt16?
    ) throws(ConversionProblem) -> Conversion {
        var new = FRPConversion(end: end, nextPort: firstPort.map(Int.init))
        var clients: [SettingsTable] = []
        for file in files {
            var settings = try SettingsTable(TOMLReader.read(expanded(file.text, file.name), file: file.name))
            let isServer = settings.take("serverAddr") == nil && settings.take("proxies") == nil
            if isServer { try new.read(server: &settings) } else { clients.append(settings) }
        }
        guard !clients.isEmpty else {
            throw ConversionProblem(
                text: "frps learns of the proxies from its clients: give the frpc.toml of each client as well"
            )
        }
        for var client in clients { try new.read(client: &client) }
        return new.conversion
    }

    private init(end: Conversion.End, nextPort: Int?) {
        self.end = end
        self.nextPort = nextPort
    }

    /// frp fills templates in before it reads TOML; an environment's variable becomes a reference.
    private static func expanded(_ text: String, _ file: String) throws(ConversionProblem) -> String {
        var lines: [String] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            var rest = line[...]
            var out = ""
            while let open = rest.firstIndex(of: "{"), rest[open...].hasPrefix("{{") {
                let place = SourceLocation(file: file, line: index + 1, column: line[..<open].count + 1)
                let inner = rest[open...].dropFirst(2).prefix { $0 != "}" }
                let name = inner.split(separator: " ").joined()
                guard name.hasPrefix(".Envs."), rest[inner.endIndex...].hasPrefix("}}") else {
                    throw ConversionProblem(
                        place,
                        "frp's templates are not evaluated, but for {{ .Envs.NAME }}: write what this one makes"
                    )
                }
                out += rest[..<open] + "${env:" + name.dropFirst(6) + "}"
                rest = rest[inner.endIndex...].dropFirst(2)
            }
            lines.append(out + rest)
        }
        return lines.joined(separator: "\n")
    }

    // MARK: The server's file

    private mutating func read(server settings: inout SettingsTable) throws(ConversionProblem) {
        server.bindAddress = try settings.text("bindAddr") ?? ""
        server.userAddress = try settings.text("proxyBindAddr") ?? server.bindAddress
        if let port = try settings.port("bindPort"), nextPort == nil { nextPort = Int(port) + 1 }
        _ = settings.take("auth")
        if var transport = try settings.table("transport") {
            if var tls = try transport.table("tls") {
                if let certificate = try tls.text("certFile"), let key = try tls.text("keyFile") {
                    server.certificate = .files(certificate: certificate, key: key)
                }
                _ = tls.take("force")
                leave(tls)
            }
            leave(transport)
        }
        leave(settings)
    }

    // MARK: A client's file

    private mutating func read(client settings: inout SettingsTable) throws(ConversionProblem) {
        var client = Client()
        client.serverAddress = try settings.text("serverAddr") ?? "127.0.0.1"
        let serverPort = try settings.port("serverPort") ?? 7000
        if nextPort == nil { nextPort = Int(serverPort) + 1 }
        client.keyNote = "NODEPASS_KEY is the secret of both ends: `nodepass key generate` makes one."
        if var auth = try settings.table("auth") {
            if let token = auth.take("token") {
                client.keyNote = "NODEPASS_KEY is the secret of both ends; frp's is at \(token.location.fileAndLine)."
            }
            _ = auth.take("method")
            leave(auth)
        }
        if var transport = try settings.table("transport") {
            try read(&transport, into: &client)
            leave(transport)
        }
        for name in try settings.items("start") {
            if case .scalar(let scalar) = name.content { client.started.insert(scalar.text) }
        }
        let user = try settings.text("user").map { $0 + "-" } ?? ""
        let proxies = try settings.items("proxies")
        for item in try settings.items("visitors") {
            let visitor = try SettingsTable(item)
            conversion.leave(
                "a visitor",
                at: visitor.source,
                instead: "a tunnel of mode forward from the visitor to the server, whose target is where the server's "
                    + "end of the reverse tunnel listens"
            )
        }
        leave(settings)
        for item in proxies {
            var proxy = try SettingsTable(item)
            try read(proxy: &proxy, of: client, user)
        }
    }

    private mutating func read(_ transport: inout SettingsTable, into client: inout Client) throws(ConversionProblem) {
        if let place = transport.take("protocol")?.location, let name = try transport.text("protocol") {
            switch name {
            case "tcp": break
            case "quic": client.transport = .quic
            case "websocket", "wss": client.transport = .websocket
            default:
                let instead = "the links are TCP; `transport: quic` runs over UDP"
                conversion.leave("transport.protocol = \(name)", at: place.fileAndLine, instead: instead)
            }
        }
        client.poolMinimum = try transport.number("poolCount")
        if let place = transport.take("proxyURL")?.location, let text = try transport.text("proxyURL") {
            do throws(Endpoint.ParseError) {
                client.proxy = try ProxyAddress(text)
            } catch {
                throw ConversionProblem(place, "transport.proxyURL: \(error.problem)")
            }
        }
        guard var tls = try transport.table("tls") else { return }
        client.hasTLS = try tls.flag("enable") ?? true
        client.authority = try tls.text("trustedCaFile")
        leave(tls)
    }

    // MARK: A proxy

    private mutating func read(
        proxy: inout SettingsTable,
        of client: Client,
        _ user: String
    ) throws(ConversionProblem) {
        let source = proxy.source
        guard let name = try proxy.text("name") else {
            throw ConversionProblem(proxy.node.location, "a proxy has no name")
        }
        let kind = try proxy.text("type") ?? "tcp"
        guard let carried = TransportProtocol(rawValue: kind) else {
            let advice =
                Self.kinds[kind]
                ?? "frp's types tcp and udp become tunnels; of this one `nodepass convert` knows nothing"
            return conversion.leave("proxy '\(name)' of type \(kind)", at: source, instead: advice)
        }
        if let plugin = proxy.take("plugin") {
            let advice = "run a program that does it, and make it the target of a tunnel"
            return conversion.leave("proxy '\(name)' with a plugin", at: plugin.location.fileAndLine, instead: advice)
        }
        guard let remote = try proxy.port("remotePort"), remote > 0 else {
            let advice = "frps chooses its port; give it one with remotePort and convert again"
            return conversion.leave("proxy '\(name)' without remotePort", at: source, instead: advice)
        }
        guard let local = try proxy.port("localPort") else {
            throw ConversionProblem(proxy.node.location, "proxy '\(name)' has no localPort")
        }
        let host = try proxy.text("localIP") ?? "127.0.0.1"
        guard let next = nextPort.flatMap({ UInt16(exactly: $0) }) else {
            throw ConversionProblem(text: "\(source): no port is left for '\(name)'; begin lower with --first-port")
        }
        nextPort = Int(next) + 1
        var references = ["key": "${env:NODEPASS_KEY}"]
        // A host may be one of the environment's, which is read when the manifest is.
        func endpoint(_ path: String, _ host: String, _ port: UInt16) -> Endpoint {
            guard host.contains("${") else { return Endpoint(host: host, port: port) }
            references[path] = "\(host):\(port)"
            return Endpoint(host: "of-the-environment", port: port)
        }
        var spec =
            end == .client
            ? TunnelSpec(
                role: .client,
                tunnel: endpoint("tunnel", client.serverAddress, next),
                targets: [endpoint("target", host, local)]
            )
            : TunnelSpec(
                role: .server,
                tunnel: endpoint("tunnel", server.bindAddress, next),
                targets: [endpoint("target", server.userAddress, remote)]
            )
        var notes = [client.keyNote]
        spec.mode = end == .client ? .two : .one
        spec.protocols = [carried]
        secure(&spec, client, &notes)
        if end == .client {
            if let minimum = client.poolMinimum { spec.pool.min = min(max(minimum, 1), spec.pool.max) }
            spec.via = client.proxy
        }
        if var transport = try proxy.table("transport") {
            try read(&transport, into: &spec, &notes)
            leave(transport)
        }
        if end == .server { notes.append("The client's end reaches port \(next): open it in the firewall.") }
        leave(proxy)
        let isStarted = client.started.isEmpty || client.started.contains(name)
        let isEnabled = try proxy.flag("enabled") ?? true
        try conversion.add(
            Conversion.Tunnel(
                name: user + name,
                content: TunnelContent(spec: spec, running: isStarted && isEnabled),
                source: "\(source), proxy '\(name)'",
                notes: notes,
                references: references
            )
        )
    }

    private func secure(_ spec: inout TunnelSpec, _ client: Client, _ notes: inout [String]) {
        spec.key = Secret("from the environment")
        if end == .server {
            spec.transport = client.transport
            spec.tls = client.hasTLS ? server.certificate ?? .selfSigned : .off
        } else if client.hasTLS {
            spec.tls = client.authority == nil ? .selfSigned : .verified
            if let authority = client.authority {
                notes.append("Start the daemon with SSL_CERT_FILE=\(authority), so that it trusts the server.")
            }
        }
    }

    private mutating func read(
        _ transport: inout SettingsTable,
        into spec: inout TunnelSpec,
        _ notes: inout [String]
    ) throws(ConversionProblem) {
        _ = transport.take("useEncryption")
        switch try transport.text("proxyProtocolVersion") {
        case "v1"?: if end == .client { spec.proxyProtocol = .v1 }
        case "v2"?: if end == .client { spec.proxyProtocol = .v2 }
        default: break
        }
        _ = transport.take("bandwidthLimitMode")
        guard let place = transport.take("bandwidthLimit")?.location, let text = try transport.text("bandwidthLimit")
        else { return }
        let units = ["MB": 1 << 20, "KB": 1 << 10]
        guard let unit = units[String(text.suffix(2))], let number = Double(text.dropLast(2)), number > 0 else {
            throw ConversionProblem(place, "transport.bandwidthLimit is '\(text)', not as 1MB or 500KB")
        }
        let mbps = Int((number * Double(unit) * 8 / 1_000_000).rounded(.up))
        spec.rateMbps = min(max(mbps, 1), TunnelSpec.rateLimitMbps)
        notes.append("\(text) a second of \(place.fileAndLine), in whole Mbps.")
    }

    // MARK: What is left

    private mutating func leave(_ settings: SettingsTable) {
        for (setting, source) in settings.unread {
            let path = setting.prefix { $0 != " " }
            let known = Self.advice.first { path == $0.0 || path.hasPrefix($0.0 + ".") || path.hasSuffix("." + $0.0) }
            conversion.leave(setting, at: source, instead: known?.1 ?? "no key of a tunnel says this")
        }
    }

    private static let kinds: [String: String] = [
        "http": "a tcp tunnel to a port of the server, and a web server there that knows the site's names",
        "https": "a tcp tunnel to a port of the server, and a web server there that knows the site's names",
        "tcpmux": "a tunnel with a port of its own for each name",
        "stcp": "a reverse tunnel to 127.0.0.1 of the server, and one of mode forward from the visitor to it",
        "sudp": "a reverse tunnel to 127.0.0.1 of the server, and one of mode forward from the visitor to it",
        "xtcp": "there are no direct connections between clients: a reverse tunnel, and one of mode forward",
    ]

    private static let advice: [(String, String)] = [
        ("transport.useCompression", "nothing is compressed"),
        ("useCompression", "nothing is compressed"),
        ("transport.tcpMux", "not needed: links wait ready in a pool, or are streams with `transport: http2`"),
        ("transport.tcpMuxKeepaliveInterval", "`timeouts.keepalive` has a default that finds dead peers"),
        ("transport.heartbeatInterval", "not needed: the ends ask each other in each report interval"),
        ("transport.heartbeatTimeout", "not needed: the ends ask each other in each report interval"),
        ("transport.dialServerTimeout", "not needed: the time of a handshake is limited"),
        ("transport.dialServerKeepalive", "`timeouts.keepalive` has a default that finds dead peers"),
        ("transport.tcpKeepalive", "`timeouts.keepalive` has a default that finds dead peers"),
        ("transport.connectServerLocalIP", "the system chooses the address; a route can"),
        ("transport.maxPoolCount", "`pool.max`"),
        ("certFile", "clients prove the key instead of a certificate"),
        ("keyFile", "clients prove the key instead of a certificate"),
        ("trustedCaFile", "clients prove the key instead of a certificate"),
        ("serverName", "`sni`"),
        ("disableCustomTLSFirstByte", "not needed: nothing comes before TLS"),
        ("quic", "QUIC's limits are fixed"),
        ("log", "`nodepass run --log LEVEL`; the service manager keeps the lines"),
        ("webServer", "`nodepass run --listen ADDRESS` has an API and a dashboard"),
        ("enablePrometheus", "`nodepass run --listen ADDRESS` has /metrics"),
        ("loginFailExit", "not needed: a client tries again until it is stopped"),
        ("natHoleStunServer", "there are no direct connections between clients"),
        ("dnsServer", "the system's name servers are asked"),
        ("udpPacketSize", "not needed: datagrams have any size"),
        ("includes", "give the files to `nodepass convert frp` as well"),
        ("metadatas", "`tags`"),
        ("annotations", "`tags`"),
        ("loadBalancer", "one tunnel with all the targets: `target: [10.0.0.1:80, 10.0.0.2:80]`"),
        (
            "healthCheck",
            "a target that fails is passed over and named by `nodepass status`; nothing is asked in advance"
        ),
        ("allowPorts", "the server's manifest names every port there is"),
        ("maxPortsPerClient", "the server's manifest names every port there is"),
        ("httpPlugins", "the API and its events (docs/api.md)"),
        ("vhostHTTPPort", "a web server on the server's machine"),
        ("vhostHTTPSPort", "a web server on the server's machine"),
        ("subDomainHost", "a web server on the server's machine"),
        ("custom404Page", "a web server on the server's machine"),
        ("tcpmuxHTTPConnectPort", "a tunnel with a port of its own for each name"),
        ("kcpBindPort", "`transport: quic` runs over UDP"),
        ("quicBindPort", "`transport: quic` uses the tunnel's own port"),
        ("sshTunnelGateway", "`ssh -R` to a real SSH server, or a tunnel in its place"),
        ("additionalScopes", "every session is proven by the key"),
        ("oidc", "both ends prove one key"),
        ("detailedErrorsToClient", "not needed: each end says why"),
        ("userConnTimeout", "a user waits a few seconds for a link"),
    ]
}
