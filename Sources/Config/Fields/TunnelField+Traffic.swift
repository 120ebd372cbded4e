extension TunnelField {
    /// What happens to connections.
    static let traffic: [TunnelField] = [
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
            "timeouts.keepalive",
            "keepalive",
            "Silence after which TCP keepalive asks whether a peer is there, and again after as long; gone after 5 times; 0 is off.",
            \.keepalive,
            .live,
            syntax: .duration,
            query: .duration(otherwise: TunnelSpec.standard.keepalive, "15s")
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
            roles: bothRoles,
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
            roles: bothRoles,
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
