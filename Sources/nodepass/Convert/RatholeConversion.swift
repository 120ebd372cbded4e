import Config

/// Tunnels for the services of a rathole configuration (https://github.com/rathole-org/rathole), of either end.
///
/// Each service becomes a tunnel with a port of its own between the ends, in the order of the services' names, so that
/// both ends' files come to the same ports.
struct RatholeConversion {
    private var conversion = Conversion()

    static func convert(
        _ file: (name: String, text: String),
        firstPort: UInt16?
    ) throws(ConversionProblem) -> Conversion {
        var root = try SettingsTable(TOMLReader.read(file.text, file: file.name))
        var new = RatholeConversion()
        let (server, client) = (try root.table("server"), try root.table("client"))
        guard server != nil || client != nil else {
            throw ConversionProblem(text: "\(file.name): there is neither [server] nor [client]")
        }
        if var server { try new.read(&server, .server, firstPort) }
        if var client { try new.read(&client, .client, firstPort) }
        new.leave(root)
        return new.conversion
    }

    private mutating func read(
        _ settings: inout SettingsTable,
        _ role: TunnelRole,
        _ firstPort: UInt16?
    ) throws(ConversionProblem) {
        let addressKey = role == .server ? "bind_addr" : "remote_addr"
        guard let address = try settings.address(addressKey) else {
            throw ConversionProblem(settings.node.location, "\(settings.path(addressKey)) is missing")
        }
        let token = settings.take("default_token")
        var model = TunnelSpec(role: role, tunnel: address, targets: [])
        model.mode = role == .server ? .one : .two
        var notes: [String] = []
        if var transport = try settings.table("transport") { try read(&transport, into: &model, &notes) }
        let services = try settings.table("services")
        leave(settings)
        let entries = (services?.node.entries ?? []).sorted { $0.key < $1.key }
        for (index, entry) in entries.enumerated() {
            guard let port = UInt16(exactly: Int(firstPort ?? address.port) + (firstPort == nil ? 1 : 0) + index) else {
                throw ConversionProblem(entry.keyLocation, "no port is left for it; begin lower with --first-port")
            }
            var service = try SettingsTable(entry.value, prefix: "services.\(entry.key)")
            var spec = model
            spec.tunnel.port = port
            try read(&service, entry.key, entry.keyLocation, token, spec, notes)
        }
    }

    private mutating func read(
        _ service: inout SettingsTable,
        _ name: String,
        _ place: SourceLocation,
        _ defaultToken: DocumentNode?,
        _ model: TunnelSpec,
        _ modelNotes: [String]
    ) throws(ConversionProblem) {
        var spec = model
        var notes = modelNotes
        let key = spec.role == .server ? "bind_addr" : "local_addr"
        guard let address = try service.address(key) else {
            throw ConversionProblem(place, "\(service.path(key)) is missing")
        }
        spec.targets = [address]
        let kind = try service.text("type") ?? "tcp"
        guard let carried = TransportProtocol(rawValue: kind) else {
            throw ConversionProblem(place, "\(service.path("type")) is '\(kind)', not tcp or udp")
        }
        spec.protocols = [carried]
        spec.key = Secret("from the environment")
        let own = service.take("token")
        let variable =
            own == nil
            ? "NODEPASS_KEY"
            : "NODEPASS_KEY_" + String(name.uppercased().map { $0.isASCII && $0.isLetter || $0.isNumber ? $0 : "_" })
        if let token = own ?? defaultToken {
            notes.append("\(variable) is the secret of both ends; rathole's is at \(token.location.fileAndLine).")
        } else {
            notes.append("\(variable) is the secret of both ends: `nodepass key generate` makes one.")
        }
        if spec.role == .server {
            notes.append("The client's end reaches port \(spec.tunnel.port): open it in the firewall.")
        }
        _ = service.take("nodelay")
        leave(service)
        try conversion.add(
            Conversion.Tunnel(
                name: name,
                content: TunnelContent(spec: spec),
                source: "\(place.fileAndLine), service '\(name)'",
                notes: notes,
                references: ["key": "${env:\(variable)}"]
            )
        )
    }

    private mutating func read(
        _ transport: inout SettingsTable,
        into spec: inout TunnelSpec,
        _ notes: inout [String]
    ) throws(ConversionProblem) {
        let place = transport.node.location
        let kind = try transport.text("type") ?? "tcp"
        switch kind {
        case "tcp": break
        case "tls": spec.tls = .selfSigned
        case "noise":
            spec.handshake = .sealed
            spec.tls = .selfSigned
            notes.append("In place of noise: links in TLS, and ends that prove the key to each other.")
        case "websocket":
            if spec.role == .server { spec.transport = .websocket }
            var webSocket = try transport.table("websocket")
            if try webSocket?.flag("tls") == true { spec.tls = .selfSigned }
        default: throw ConversionProblem(place, "transport.type is '\(kind)', not tcp, tls, noise or websocket")
        }
        if var tls = try transport.table("tls"), kind == "tls" || kind == "websocket" {
            if let authority = try tls.text("trusted_root"), spec.tls != nil {
                spec.tls = .verified
                notes.append("Start the daemon with SSL_CERT_FILE=\(authority), so that it trusts the server.")
            }
            if spec.role == .client { spec.sni = try tls.text("hostname") }
            leave(tls)
        }
        leave(transport)
    }

    private mutating func leave(_ settings: SettingsTable) {
        for (setting, source) in settings.unread {
            let path = setting.prefix { $0 != " " }
            let known = Self.advice.first { path.hasSuffix($0.0) }
            conversion.leave(setting, at: source, instead: known?.1 ?? "no key of a tunnel says this")
        }
    }

    private static let advice: [(String, String)] = [
        ("pkcs12", "`tls: {certificate: PATH, key: PATH}` on the server, with what `openssl pkcs12` takes out of it"),
        ("pkcs12_password", "not needed with PEM files"),
        ("heartbeat_interval", "not needed: the ends ask each other in each report interval"),
        ("heartbeat_timeout", "not needed: the ends ask each other in each report interval"),
        ("retry_interval", "not needed: a client tries again after growing waits"),
        ("prefer_ipv6", "not needed: both families are tried"),
        ("nodelay", "not needed: small messages are never held back"),
        ("keepalive_secs", "`timeouts.keepalive`"),
        ("keepalive_interval", "`timeouts.keepalive`"),
        ("proxy", "`via: http://HOST:PORT` or `socks5://HOST:PORT`"),
        ("noise", "the sealed handshake needs no keys but the tunnel's"),
        ("tls", "`tls` of the server"),
        ("websocket", "`transport: websocket`"),
    ]
}
