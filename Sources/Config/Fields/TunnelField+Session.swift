extension TunnelField {
    /// What the two ends agree on.
    static let session: [TunnelField] = [
        .tls,
        .handshake,
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
            "path",
            "path",
            "Path of the handshake and of WebSockets, for a tunnel beside a site's pages.",
            \.path,
            .session,
            syntax: .urlPath,
            query: .urlPath
        ),
        .parameter(
            "host",
            "host",
            "Name in their `Host` header: a client sends it, a server takes no other.",
            \.host,
            .session,
            syntax: .serverName,
            query: .serverName
        ),
        .parameter(
            "service",
            "service",
            "Which of several servers at one `tunnel` address is meant; both ends name it.",
            \.service,
            .session,
            syntax: .service,
            query: .service,
            readQuery: { value, spec in
                guard let text = value("service") else { return nil }
                spec.service = TunnelSpec.isService(text) ? text : nil
                // Without it the client would be taken for another tunnel's.
                let message = "'\(text)' is not \(TunnelSpec.serviceWords)"
                return spec.service == nil
                    ? ParameterProblem(parameter: "service", message: message, isFatal: true) : nil
            }
        ),
        .via,
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

    /// What a server has, and the least that a client accepts.
    private static func tlsWords(_ role: TunnelRole) -> ValueSyntax<TLSMode> {
        let words: [(String, TLSMode)] = [("off", .off), ("self-signed", .selfSigned)]
        return .words(role == .server ? words : words + [("verified", .verified)])
    }

    static let tls = TunnelField(
        path: "tls",
        summary: "A server's TLS for its links; on a client, the least it accepts of its server.",
        schema: [
            "anyOf": [
                ["enum": ["off", "self-signed", "verified"]],
                [
                    "type": "object", "additionalProperties": false, "required": ["certificate", "key"],
                    "properties": [
                        "certificate": ["type": "string", "description": "PEM file with the certificate chain."],
                        "key": ["type": "string", "description": "PEM file with its private key."],
                    ],
                ],
            ]
        ],
        roles: bothRoles,
        parameters: ["tls", "crt", "key"],
        defaultText: "off",
        changeClass: .session,
        read: { node, reader, content in
            let role = content.spec.role
            if node.entries != nil, role == .server {
                if let files = readFiles(node, &reader) { content.spec.tls = files }
                return
            }
            let expected = "off, self-signed or " + (role == .server ? "{certificate: PATH, key: PATH}" : "verified")
            let value = reader.value(node, "tls", expected: expected) { text throws(ValueProblem) in
                do throws(ValueProblem) {
                    return try tlsWords(role).parse(text, role)
                } catch {
                    let files = role == .server ? ", or {certificate: FILE, key: FILE}" : ""
                    throw ValueProblem(error.message + files)
                }
            }
            if let value { content.spec.tls = value }
        },
        readQuery: { value, spec in
            let paths = (value("crt"), value("key"))
            let stray = ParameterProblem(
                parameter: paths.0 == nil ? "key" : "crt",
                message: "has no effect without tls=2"
            )
            switch value("tls") {
            case "0": spec.tls = .off
            case "1": spec.tls = .selfSigned
            case "2":
                guard let certificate = paths.0, let key = paths.1 else {
                    spec.tls = spec.role == .server ? .filesMissing : .verified
                    if spec.role == .client { return nil }
                    return ParameterProblem(parameter: "tls", message: "2 also needs crt and key, two PEM files")
                }
                spec.tls = .files(certificate: certificate, key: key)
                return nil
            case let text?:
                spec.tls = .off
                return ParameterProblem(
                    parameter: "tls",
                    message: "'\(text)' is not one of 0, 1 and 2; it counts as 0, off"
                )
            case nil: break
            }
            return paths == (nil, nil) ? nil : stray
        },
        writeQuery: { spec in
            guard let tls = spec.tls else { return [] }
            let code = QueryParameter(name: "tls", value: String(tls.code))
            guard case .files(let certificate, let key) = tls else { return [code] }
            return [code, QueryParameter(name: "crt", value: certificate), QueryParameter(name: "key", value: key)]
        },
        textOf: { content in
            let isClient = content.spec.role == .client
            return switch content.spec.tls {
            case nil: "unset"
            case .off?: "off"
            case .selfSigned?: "self-signed"
            case .files? where isClient, .verified? where isClient: "verified"
            case .files(let certificate, let key)?: "{certificate: \(certificate), key: \(key)}"
            case .filesMissing?, .verified?: "files (none given)"
            }
        },
        isEqual: { $0.spec.tls == $1.spec.tls },
        valueOf: { content in
            guard case .files(let certificate, let key) = content.spec.tls else {
                let role = content.spec.role
                return .string(content.spec.tls.map { tlsWords(role).text($0, role) } ?? "off")
            }
            return ["certificate": .string(certificate), "key": .string(key)]
        }
    )

    /// Relative paths start at the manifest's directory, not where the daemon was started.
    private static func readFiles(_ node: DocumentNode, _ reader: inout NodeReader) -> TLSMode? {
        var paths: [String: String] = [:]
        for entry in node.entries ?? [] {
            let path = "tls." + entry.key
            guard entry.key == "certificate" || entry.key == "key" else {
                reader.unknown(entry.key, at: entry.keyLocation, among: ["certificate", "key"], path: path)
                continue
            }
            let text = reader.text(entry.value, path, expected: "a path")
            paths[entry.key] = text.map { TextFile.absolute($0.value, from: reader.directory) }
            if text?.value.isEmpty == true { reader.fail(.badValue, entry.value.location, path, "is empty") }
            if text == nil { paths[entry.key] = "" }
        }
        for name in ["certificate", "key"] where paths[name] == nil {
            reader.fail(.missingKey, node.location, "tls." + name, "is missing; both PEM files are needed")
        }
        guard let certificate = paths["certificate"], let key = paths["key"] else { return nil }
        return .files(certificate: certificate, key: key)
    }

    static let via = TunnelField.parameter(
        "via",
        "via",
        "Proxy through which a client reaches its server: `http://HOST:PORT` or `socks5://HOST:PORT`.",
        \.via,
        .session,
        roles: [.client],
        syntax: .proxy,
        query: .proxy,
        readQuery: { value, spec in
            guard let text = value("via") else { return nil }
            do throws(Endpoint.ParseError) {
                spec.via = try ProxyAddress(text)
                return nil
            } catch {
                // Without it the client would go where it is not meant to.
                return ParameterProblem(parameter: "via", message: error.problem, isFatal: true)
            }
        },
        valueOf: { .string($0.spec.via?.url ?? "") }
    )

    private static let handshakeWords = HandshakePolicy.allCases.map { ($0.rawValue, $0) }

    static let handshake = TunnelField.parameter(
        "handshake",
        "handshake",
        "How the ends prove the key: `auto` sealed where both can, `sealed` only so, `compatible` as v1.14.",
        \.handshake,
        .session,
        syntax: .words(handshakeWords),
        query: .words(handshakeWords, otherwise: .auto, "auto"),
        readQuery: { value, spec in
            guard let text = value("handshake") else { return nil }
            if let policy = HandshakePolicy(rawValue: text) {
                spec.handshake = policy
                return nil
            }
            let message = "'\(text)' is not \(ValueSyntax.words(handshakeWords).expected)"
            return ParameterProblem(parameter: "handshake", message: message, isFatal: true)
        }
    )
}
