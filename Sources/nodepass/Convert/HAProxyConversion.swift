import Config

/// Single-end tunnels for the frontends of an HAProxy configuration that relay TCP
/// (https://docs.haproxy.org/2.6/configuration.html).
struct HAProxyConversion {
    private typealias Line = SourceLines.Line

    private struct Section {
        let kind: String
        let name: String
        let line: Line
        var lines: [Line] = []
        /// Of the `defaults` above it.
        var inherited: [Line] = []
    }

    /// What a backend's servers come to.
    private struct Backend {
        var targets: [Endpoint] = []
        var proxyProtocol = ProxyProtocol.off
    }

    private var conversion = Conversion()
    private let sections: [Section]
    private let backends: [String: Section]
    private let usedBackends: Set<String>

    static func convert(_ file: (name: String, text: String)) throws(ConversionProblem) -> Conversion {
        var sections: [Section] = []
        var defaults: [Line] = []
        for line in try SourceLines.read(file.text, file: file.name, comment: "#") {
            let kind = line.words[0]
            if Self.kinds.contains(kind) {
                if kind == "defaults" { defaults = [] }
                let name = line.words.dropFirst().first ?? ""
                sections.append(
                    Section(kind: kind, name: name, line: line, inherited: kind == "defaults" ? [] : defaults)
                )
            } else if let last = sections.indices.last {
                sections[last].lines.append(line)
                if sections[last].kind == "defaults" { defaults.append(line) }
            } else {
                throw ConversionProblem(line.location, "'\(kind)' is in no section; is this an HAProxy configuration?")
            }
        }
        guard !sections.isEmpty else { throw ConversionProblem(text: "\(file.name): there is no section in it") }
        var new = HAProxyConversion(sections: sections)
        for section in sections { try new.read(section) }
        return new.conversion
    }

    private init(sections: [Section]) {
        self.sections = sections
        backends = Dictionary(sections.filter { $0.kind == "backend" }.map { ($0.name, $0) }) { first, _ in first }
        usedBackends = Set(
            sections.flatMap(\.lines).filter { $0.words[0] == "default_backend" }.compactMap {
                $0.words.dropFirst().first
            }
        )
    }

    private static let kinds: Set<String> = [
        "global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "mailers", "userlist", "program",
        "cache", "ring", "http-errors", "fcgi-app", "log-forward", "crt-list",
    ]

    private mutating func read(_ section: Section) throws(ConversionProblem) {
        switch section.kind {
        case "frontend", "listen": try read(frontend: section)
        case "backend":
            if !usedBackends.contains(section.name) { leave(section.line, "no frontend sends everything to it") }
        case "defaults": break
        case "global":
            for line in section.lines { leave(line, Self.global[line.words[0]] ?? "of HAProxy's process alone") }
        default: leave(section.line, "nothing of a tunnel")
        }
    }

    private mutating func leave(_ line: Line, _ instead: String) {
        let text = line.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        conversion.leave(text, at: line.location.fileAndLine, instead: instead)
    }

    private mutating func read(frontend section: Section) throws(ConversionProblem) {
        let mode = (section.lines + section.inherited.reversed()).first { $0.words[0] == "mode" }?.words.dropFirst()
            .first
        guard mode == "tcp" else {
            return leave(
                section.line,
                "its mode is \(mode ?? "http"), and a tunnel relays bytes: keep HAProxy before it"
            )
        }
        var model = TunnelSpec(role: .client, tunnel: Endpoint(host: "", port: 0), targets: [])
        model.mode = .one
        model.protocols = [.tcp]
        var notes: [String] = []
        var binds: [(line: Line, address: Endpoint)] = []
        var backend = Backend()
        try apply(section.inherited, to: &model, &notes)
        for line in section.lines {
            let words = Array(line.words.dropFirst())
            switch line.words[0] {
            case "mode": break
            case "bind": binds += try read(bind: words, line)
            case "default_backend": backend = try read(backend: words.first ?? "", line, &model, &notes)
            case "server": try read(server: words, line, into: &backend)
            default: try apply([line], to: &model, &notes)
            }
        }
        guard !backend.targets.isEmpty else {
            return leave(section.line, "it has no server that a tunnel could have for a target")
        }
        model.targets = backend.targets
        model.proxyProtocol = backend.proxyProtocol
        for (line, address) in binds {
            var spec = model
            spec.tunnel = address
            try conversion.add(
                Conversion.Tunnel(
                    name: section.name,
                    content: TunnelContent(spec: spec),
                    source: "\(line.location.fileAndLine), \(section.kind) \(section.name)",
                    notes: notes
                )
            )
        }
    }

    private mutating func read(bind words: [String], _ line: Line) throws(ConversionProblem) -> [(Line, Endpoint)] {
        for option in words.dropFirst() where option == "ssl" {
            leave(line, "TLS ends at HAProxy here; a single-end tunnel passes it on as it is")
            return []
        }
        var addresses: [(Line, Endpoint)] = []
        for text in (words.first ?? "").split(separator: ",") {
            guard !text.hasPrefix("/"), !text.contains("@") else {
                leave(line, "a tunnel listens on an address with a port")
                continue
            }
            let plain = text.hasPrefix("*:") ? text.dropFirst() : text
            addresses.append((line, try SettingsTable.address(String(plain), at: line.location)))
        }
        if words.count > 1 { leave(line, "of it the address alone; options of `bind` have no key") }
        return addresses
    }

    private mutating func read(
        backend name: String,
        _ line: Line,
        _ spec: inout TunnelSpec,
        _ notes: inout [String]
    ) throws(ConversionProblem) -> Backend {
        guard let section = backends[name] else {
            throw ConversionProblem(line.location, "there is no backend '\(name)'")
        }
        var backend = Backend()
        for line in section.lines {
            switch line.words[0] {
            case "server": try read(server: Array(line.words.dropFirst()), line, into: &backend)
            case "mode": break
            default: try apply([line], to: &spec, &notes)
            }
        }
        return backend
    }

    private mutating func read(
        server words: [String],
        _ line: Line,
        into backend: inout Backend
    ) throws(ConversionProblem) {
        guard words.count >= 2 else { throw ConversionProblem(line.location, "a server has a name and an address") }
        guard !words.contains("ssl"), !words[1].hasPrefix("/"), !words[1].contains("@") else {
            return leave(line, "a target is an address with a port that gets the bytes as they come")
        }
        guard !words.contains("disabled") else { return leave(line, "it is disabled there") }
        backend.targets.append(try SettingsTable.address(words[1], at: line.location))
        if words.contains("send-proxy") { backend.proxyProtocol = .v1 }
        if words.contains("send-proxy-v2") { backend.proxyProtocol = .v2 }
        let known: Set<String> = ["send-proxy", "send-proxy-v2"]
        let rest = words.dropFirst(2).filter { !known.contains($0) }
        guard !rest.isEmpty else { return }
        leave(line, "the target alone: all are used in turn, and one that refuses is passed over, without checks")
    }

    /// Statements that say how connections are treated, wherever they stand.
    private mutating func apply(
        _ lines: [Line],
        to spec: inout TunnelSpec,
        _ notes: inout [String]
    ) throws(ConversionProblem) {
        for line in lines {
            let words = line.words
            switch words[0] {
            case "mode": break
            case "maxconn":
                guard let number = words.dropFirst().first.flatMap({ Int($0) }), number >= 0 else {
                    throw ConversionProblem(line.location, "maxconn is followed by a number")
                }
                spec.connections = number
            case "timeout" where words.count > 2 && (words[1] == "client" || words[1] == "server"):
                let limit = try Self.time(words[2], line)
                // HAProxy has one for each side; the tunnel has one for both together.
                if spec.readTimeout == .zero || limit > spec.readTimeout { spec.readTimeout = limit }
            case "balance" where words.dropFirst().first == "roundrobin": break
            case "balance": leave(line, "targets are used in turn")
            default: leave(line, Self.statements[words[0]] ?? "no key of a tunnel says this")
            }
        }
    }

    private static func time(_ text: String, _ line: Line) throws(ConversionProblem) -> Duration {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let units = ["": 1, "us": 0, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
        guard let number = Int(digits), number < 1_000_000_000, let unit = units[String(text.dropFirst(digits.count))]
        else {
            throw ConversionProblem(line.location, "'\(text)' is no time")
        }
        return .milliseconds(number * unit)
    }

    private static let statements: [String: String] = [
        "option": "no key of a tunnel says this; dead peers are found by `timeouts.keepalive`",
        "timeout": "the times of a dial and of a handshake are limited by themselves",
        "acl": "`access: {allow: […], deny: […]}` for addresses",
        "use_backend": "a tunnel for each backend, with an address of its own",
        "tcp-request": "`access: {allow: […], deny: […]}` for addresses",
        "log": "`log` of the tunnel, and the service manager",
        "stick-table": "targets are used in turn",
        "stick": "targets are used in turn",
        "default-server": "no key of a tunnel says this",
        "retries": "every target is tried once",
        "rate-limit": "`limits.rate` limits bytes, `limits.connections` connections at once",
    ]

    private static let global: [String: String] = [
        "maxconn": "`limits.connections` of each tunnel, and the process's descriptors",
        "nbthread": "not needed: one thread a core",
        "daemon": "the service manager runs the daemon",
        "stats": "`nodepass run --listen ADDRESS` has an API and a dashboard",
        "log": "the service manager keeps the lines",
        "user": "the unit's `User=`",
        "group": "the unit's `Group=`",
    ]
}
