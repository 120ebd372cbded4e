extension TunnelField {
    /// Where the tunnel is and what it is.
    static let place: [TunnelField] = [.role, .tunnel, .target, .mode, .key]

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
        roles: bothRoles,
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
        roles: bothRoles,
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
            "At the exit, where connections are sent; at the entry, the address users connect to. A list is used in turn, with failover.",
        schema: [
            "anyOf": [
                ["type": "string", "pattern": ":[0-9]{1,5}$"],
                [
                    "type": "array", "minItems": 1, "maxItems": .int(Int64(TunnelSpec.targetLimit)),
                    "items": ["type": "string", "pattern": ":[0-9]{1,5}$"],
                ],
            ]
        ],
        roles: bothRoles,
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
        roles: bothRoles,
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
            guard mode == nil else { return nil }
            let message = "'\(text)' is not one of 0, 1 and 2; it counts as 0, auto"
            return ParameterProblem(parameter: "mode", message: message)
        },
        writeQuery: { $0.mode == .auto ? [] : [QueryParameter(name: "mode", value: String($0.mode.rawValue))] },
        textOf: { $0.spec.mode.name(for: $0.spec.role) },
        isEqual: { $0.spec.mode == $1.spec.mode }
    )

    static let key = TunnelField(
        path: "key",
        summary: "The secret both ends share; without one it is computed from the port and protects nothing.",
        schema: ["type": "string", "maxLength": .int(Int64(TunnelSpec.keyLimitBytes))],
        roles: bothRoles,
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
}
