/// Rows whose value is a set or a choice with parts: TLS, blocked protocols, carried protocols, access rules.
extension TunnelField {
    private static let both: Set<TunnelRole> = [.server, .client]

    private static let tlsWords = ValueSyntax<TLSMode>.words([("off", .off), ("self-signed", .selfSigned)])

    static let tls = TunnelField(
        path: "tls",
        summary: "TLS between the ends; the server decides for both.",
        schema: [
            "anyOf": [
                ["enum": ["off", "self-signed"]],
                [
                    "type": "object", "additionalProperties": false, "required": ["certificate", "key"],
                    "properties": [
                        "certificate": ["type": "string", "description": "PEM file with the certificate chain."],
                        "key": ["type": "string", "description": "PEM file with its private key."],
                    ],
                ],
            ]
        ],
        roles: [.server],
        parameters: ["tls", "crt", "key"],
        defaultText: "off",
        changeClass: .session,
        read: { node, reader, content in
            if node.entries != nil {
                if let files = readFiles(node, &reader) { content.spec.tls = files }
                return
            }
            let expected = "off, self-signed or {certificate: PATH, key: PATH}"
            let value = reader.value(node, "tls", expected: expected) { text throws(ValueProblem) in
                try tlsWords.parse(text, .server)
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
                    spec.tls = .filesMissing
                    return ParameterProblem(parameter: "tls", message: "2 also needs crt and key, two PEM files")
                }
                spec.tls = .files(certificate: certificate, key: key)
                return nil
            case let text?:
                spec.tls = .off
                return ParameterProblem(parameter: "tls", message: "'\(text)' counts as 0, off")
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
            switch content.spec.tls {
            case nil: "unset"
            case .off?: "off"
            case .selfSigned?: "self-signed"
            case .files(let certificate, let key)?: "{certificate: \(certificate), key: \(key)}"
            case .filesMissing?: "files (none given)"
            }
        },
        isEqual: { $0.spec.tls == $1.spec.tls },
        valueOf: { content in
            guard case .files(let certificate, let key) = content.spec.tls else {
                return .string(content.spec.tls == .selfSigned ? "self-signed" : "off")
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

    static let block = TunnelField.wordSet(
        "block",
        "Kinds of traffic that are refused at the entry.",
        \.block,
        .live,
        words: [("socks", .socks), ("http", .http), ("tls", .tls)],
        parameters: ["block"],
        readQuery: { value, spec in
            guard let text = value("block") else { return nil }
            spec.block = Set(BlockedProtocol.allCases.filter { text.contains(String($0.rawValue)) })
            let isKnown = text.allSatisfy { "0123".contains($0) }
            return isKnown
                ? nil : ParameterProblem(parameter: "block", message: "'\(text)' has digits other than 1, 2 and 3")
        },
        writeQuery: { spec in
            let digits = spec.block.map(\.rawValue).sorted().map(String.init).joined()
            return digits.isEmpty ? [] : [QueryParameter(name: "block", value: digits)]
        }
    )

    static let protocols = TunnelField.wordSet(
        "protocols",
        "What the tunnel carries.",
        \.protocols,
        .session,
        words: [("tcp", .tcp), ("udp", .udp)],
        parameters: ["notcp", "noudp"],
        mayBeEmpty: false,
        readQuery: { value, spec in
            for (name, carried) in [("notcp", TransportProtocol.tcp), ("noudp", .udp)] {
                guard let text = value(name) else { continue }
                if text == "1" { spec.protocols.remove(carried) } else { spec.protocols.insert(carried) }
                if text != "0" && text != "1" {
                    return ParameterProblem(parameter: name, message: "'\(text)' counts as 0; only 1 disables")
                }
            }
            return nil
        },
        writeQuery: { spec in
            [("notcp", TransportProtocol.tcp), ("noudp", .udp)].filter { !spec.protocols.contains($0.1) }.map {
                QueryParameter(name: $0.0, value: "1")
            }
        }
    )

    static let allow = TunnelField.networks("allow", "Who may connect; an empty list means anyone.", \.access.allow)
    static let deny = TunnelField.networks("deny", "Who may not connect; takes precedence over `allow`.", \.access.deny)

    private static func wordSet<Word: Hashable & Sendable>(
        _ path: String,
        _ summary: String,
        _ member: any WritableKeyPath<TunnelSpec, Set<Word>> & Sendable,
        _ changeClass: ChangeClass,
        words: [(String, Word)],
        parameters: [String],
        mayBeEmpty: Bool = true,
        readQuery: @escaping ReadQuery,
        writeQuery: @escaping WriteQuery
    ) -> TunnelField {
        let syntax = ValueSyntax<Word>.words(words)
        let text: @Sendable (Set<Word>) -> String = { set in
            "[" + words.filter { set.contains($0.1) }.map(\.0).joined(separator: ", ") + "]"
        }
        return TunnelField(
            path: path,
            summary: summary,
            schema: [
                "type": "array", "uniqueItems": true, "minItems": mayBeEmpty ? 0 : 1, "items": syntax.schema,
            ],
            roles: both,
            parameters: parameters,
            defaultText: text(TunnelSpec.standard[keyPath: member]),
            changeClass: changeClass,
            read: { node, reader, content in
                let values = reader.values(node, path, expected: syntax.expected) { text throws(ValueProblem) in
                    try syntax.parse(text, .server)
                }
                guard let values else { return }
                if values.isEmpty && !mayBeEmpty {
                    reader.fail(.badValue, node.location, path, "is empty; remove it or name at least one")
                }
                content.spec[keyPath: member] = Set(values)
            },
            readQuery: readQuery,
            writeQuery: writeQuery,
            textOf: { text($0.spec[keyPath: member]) },
            isEqual: { $0.spec[keyPath: member] == $1.spec[keyPath: member] },
            valueOf: { content in
                .array(words.filter { content.spec[keyPath: member].contains($0.1) }.map { .string($0.0) })
            }
        )
    }

    private static func networks(
        _ name: String,
        _ summary: String,
        _ member: any WritableKeyPath<TunnelSpec, [IPNetwork]> & Sendable
    ) -> TunnelField {
        let path = "access." + name
        let expected = "an address or network such as 10.0.0.0/8"
        return TunnelField(
            path: path,
            summary: summary,
            schema: [
                "type": "array", "maxItems": .int(Int64(AccessRules.networkLimit)), "items": ["type": "string"],
            ],
            roles: both,
            parameters: [name],
            defaultText: "[]",
            changeClass: .live,
            read: { node, reader, content in
                let values = reader.values(node, path, expected: expected) { text throws(ValueProblem) -> IPNetwork in
                    guard let network = IPNetwork(text.value) else {
                        throw ValueProblem("'\(text.value)' is not \(expected)")
                    }
                    return network
                }
                guard let values else { return }
                if values.count > AccessRules.networkLimit {
                    reader.fail(.badValue, node.location, path, "holds more than \(AccessRules.networkLimit) networks")
                }
                content.spec[keyPath: member] = values
            },
            readQuery: { value, spec in
                guard let text = value(name) else { return nil }
                var networks: [IPNetwork] = []
                for part in text.split(separator: ",").map(\.trimmingBlanks) where !part.isEmpty {
                    guard let network = IPNetwork(part) else {
                        return ParameterProblem(parameter: name, message: "'\(part)' is not \(expected)", isFatal: true)
                    }
                    networks.append(network)
                }
                guard (1...AccessRules.networkLimit).contains(networks.count) else {
                    let range = "1 to \(AccessRules.networkLimit)"
                    return ParameterProblem(parameter: name, message: "takes \(range) networks", isFatal: true)
                }
                spec[keyPath: member] = networks
                return nil
            },
            writeQuery: { spec in
                let text = spec[keyPath: member].map(\.description).joined(separator: ",")
                return text.isEmpty ? [] : [QueryParameter(name: name, value: text)]
            },
            textOf: { "[" + $0.spec[keyPath: member].map(\.description).joined(separator: ", ") + "]" },
            isEqual: { $0.spec[keyPath: member] == $1.spec[keyPath: member] },
            valueOf: { .array($0.spec[keyPath: member].map { .string($0.description) }) }
        )
    }
}

extension AccessRules {
    /// Networks in one list; every new connection is compared with all of them.
    package static let networkLimit = 1024
}
