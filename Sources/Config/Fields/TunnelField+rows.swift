/// Rows that need more than one value or parameter.
extension TunnelField {
    private static let both: Set<TunnelRole> = [.server, .client]
    private static let endpointText = "host:port"

    private static func endpoint(_ text: NodeReader.Text) throws(ValueProblem) -> Endpoint {
        do throws(Endpoint.ParseError) {
            return try Endpoint(text.value)
        } catch {
            throw ValueProblem(error.problem)
        }
    }

    private static let roleWords = ValueSyntax.words(TunnelRole.allCases.map { ($0.rawValue, $0) })

    static let role = TunnelField(
        path: "role",
        summary: "Which end of the tunnel this is.",
        schema: ["enum": ["server", "client"]],
        roles: both,
        parameters: [],
        defaultText: "",
        changeClass: .rebind,
        read: { node, reader, content in
            let value = reader.value(node, "role", expected: roleWords.expected) { text throws(ValueProblem) in
                try roleWords.parse(text, .server)
            }
            if let value { content.spec.role = value }
        },
        textOf: { $0.spec.role.rawValue },
        isEqual: { $0.spec.role == $1.spec.role }
    )

    static let tunnel = TunnelField(
        path: "tunnel",
        summary: "Where the client connects to the server; a single-end client listens here.",
        schema: ["type": "string", "pattern": ":[0-9]{1,5}$"],
        roles: both,
        parameters: [],
        defaultText: "",
        changeClass: .rebind,
        read: { node, reader, content in
            let value = reader.value(node, "tunnel", expected: endpointText, parse: endpoint)
            if let value { content.spec.tunnel = value }
        },
        textOf: { $0.spec.tunnel.description },
        isEqual: { $0.spec.tunnel == $1.spec.tunnel }
    )

    static let target = TunnelField(
        path: "target",
        summary:
            "Where connections go, or where users come in on the listening side; a list is used in turn, with failover.",
        schema: [
            "anyOf": [
                ["type": "string", "pattern": ":[0-9]{1,5}$"],
                [
                    "type": "array", "minItems": 1, "maxItems": .int(Int64(TunnelSpec.targetLimit)),
                    "items": ["type": "string", "pattern": ":[0-9]{1,5}$"],
                ],
            ]
        ],
        roles: both,
        parameters: [],
        defaultText: "",
        changeClass: .live,
        read: { node, reader, content in
            guard let values = reader.values(node, "target", expected: endpointText, parse: endpoint) else { return }
            guard (1...TunnelSpec.targetLimit).contains(values.count) else {
                reader.fail(.badValue, node.location, "target", "takes 1 to \(TunnelSpec.targetLimit) addresses")
                return
            }
            content.spec.targets = values
        },
        textOf: { $0.spec.targets.map(\.description).joined(separator: ",") },
        isEqual: { $0.spec.targets == $1.spec.targets },
        valueOf: { content in
            let targets = content.spec.targets.map { JSONValue.string($0.description) }
            return targets.count == 1 ? targets[0] : .array(targets)
        },
        classOf: { old, new in
            let mayListen = new.role == .server && new.mode != .two
            return mayListen && old.targets.first != new.targets.first ? .rebind : .live
        }
    )

    private static let serverModes = modes(of: .server)
    private static let clientModes = modes(of: .client)

    private static func modes(of role: TunnelRole) -> ValueSyntax<TunnelMode> {
        .words(TunnelMode.allCases.map { ($0.name(for: role), $0) })
    }

    static let mode = TunnelField(
        path: "mode",
        summary: "Which way traffic flows; server: auto, reverse or forward; client: auto, single or dual.",
        schema: ["enum": ["auto", "reverse", "forward", "single", "dual"]],
        roles: both,
        parameters: ["mode"],
        defaultText: "auto",
        changeClass: .session,
        read: { node, reader, content in
            let role = content.spec.role
            let words = role == .server ? serverModes : clientModes
            let value = reader.value(node, "mode", expected: words.expected) { text throws(ValueProblem) in
                do throws(ValueProblem) {
                    return try words.parse(text, role)
                } catch {
                    throw ValueProblem(error.message + " for a \(role.rawValue)")
                }
            }
            if let value { content.spec.mode = value }
        },
        readQuery: { value, spec in
            guard let text = value("mode") else { return nil }
            let mode = Int(text).flatMap(TunnelMode.init)
            spec.mode = mode ?? .auto
            return mode == nil ? ParameterProblem(parameter: "mode", message: "'\(text)' counts as 0, auto") : nil
        },
        writeQuery: { $0.mode == .auto ? [] : [QueryParameter(name: "mode", value: String($0.mode.rawValue))] },
        textOf: { $0.spec.mode.name(for: $0.spec.role) },
        isEqual: { $0.spec.mode == $1.spec.mode }
    )

    static let key = TunnelField(
        path: "key",
        summary: "The secret both ends share; without one it is computed from the port and protects nothing.",
        schema: ["type": "string", "maxLength": .int(Int64(TunnelSpec.keyLimitBytes))],
        roles: both,
        parameters: [],
        defaultText: "",
        changeClass: .session,
        isSecret: true,
        read: { node, reader, content in
            let value = reader.value(node, "key", expected: "a text") { text throws(ValueProblem) -> String in
                guard text.value.utf8.count <= TunnelSpec.keyLimitBytes else {
                    throw ValueProblem("is longer than \(TunnelSpec.keyLimitBytes) bytes")
                }
                return text.value
            }
            if let value { content.spec.key = value.isEmpty ? nil : Secret(value) }
        },
        textOf: { $0.spec.key == nil ? "computed from the port" : Secret.mask },
        isEqual: { $0.spec.key == $1.spec.key },
        valueOf: { .string($0.spec.key?.value ?? "") }
    )

    static let transport = TunnelField.parameter(
        "transport",
        "type",
        "What carries the links between the ends; the server decides for both.",
        \.transport,
        .session,
        roles: [.server],
        syntax: .words([("tcp", .tcp), ("quic", .quic), ("websocket", .websocket), ("http2", .http2)]),
        query: .words(PoolTransport.codes, otherwise: .tcp, "0, tcp"),
        readQuery: { value, spec in
            guard let text = value("type") else { return nil }
            spec.transport = PoolTransport(code: text)
            guard case .unknown = spec.transport else { return nil }
            return ParameterProblem(
                parameter: "type",
                message: "'\(text)' is not a known type; the tunnel will not start"
            )
        },
        writeQuery: { spec in
            spec.transport == .tcp ? [] : [QueryParameter(name: "type", value: spec.transport.codeText)]
        }
    )

    private static let stateWords = ValueSyntax.words([("running", true), ("stopped", false)])

    static let state = TunnelField(
        path: "state",
        summary: "Whether it should run.",
        schema: ["enum": ["running", "stopped"]],
        roles: both,
        parameters: [],
        defaultText: "running",
        changeClass: .live,
        read: { node, reader, content in
            let value = reader.value(node, "state", expected: stateWords.expected) { text throws(ValueProblem) in
                try stateWords.parse(text, .server)
            }
            if let value { content.running = value }
        },
        textOf: { $0.running ? "running" : "stopped" },
        isEqual: { $0.running == $1.running }
    )

    static let tags = TunnelField(
        path: "tags",
        summary: "Free labels, shown and filtered by dashboards.",
        schema: [
            "type": "object", "maxProperties": .int(Int64(TunnelLabels.tagLimit)),
            "additionalProperties": [
                "type": ["string", "number", "boolean"]
            ],
        ],
        roles: both,
        parameters: [],
        defaultText: "{}",
        changeClass: .meta,
        read: { node, reader, content in
            guard let entries = reader.entries(node, "tags") else { return }
            for entry in entries {
                let path = "tags." + entry.key
                guard TunnelLabels.fits(entry.key) else {
                    reader.fail(
                        .labelLength,
                        entry.keyLocation,
                        "tags",
                        "a name is longer than \(TunnelLabels.textLimitBytes) bytes"
                    )
                    continue
                }
                if let text = reader.value(entry.value, path, expected: "a text", parse: TunnelLabels.checked) {
                    content.labels.tags[entry.key] = text
                }
            }
            guard content.labels.tags.count > TunnelLabels.tagLimit else { return }
            reader.fail(.labelLength, node.location, "tags", "holds more than \(TunnelLabels.tagLimit) tags")
        },
        textOf: { content in
            let tags = content.labels.tags.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            return "{" + tags.joined(separator: ", ") + "}"
        },
        isEqual: { $0.labels.tags == $1.labels.tags },
        valueOf: { content in
            let tags = content.labels.tags.sorted { $0.key < $1.key }
            return .object(tags.map { JSONValue.Member($0.key, .string($0.value)) })
        }
    )
}

extension TunnelSpec {
    package static let keyLimitBytes = 1024
}

extension PoolTransport {
    /// The `type` parameter's values.
    static let codes: [(String, PoolTransport)] = [("0", .tcp), ("1", .quic), ("2", .websocket), ("3", .http2)]

    package init(code: String) {
        self = PoolTransport.codes.first { $0.0 == code }?.1 ?? .unknown(code)
    }

    package var codeText: String {
        if case .unknown(let text) = self { return text }
        return PoolTransport.codes.first { $0.1 == self }?.0 ?? ""
    }

    /// The number NodePass knows it by; nil for one that it does not know.
    package var code: Int? {
        PoolTransport.codes.firstIndex { $0.1 == self }
    }
}
