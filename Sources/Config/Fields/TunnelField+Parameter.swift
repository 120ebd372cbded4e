extension TunnelField {
    /// A row for a member of the spec with one value in YAML and one URL parameter; `readQuery` and
    /// `writeQuery` replace what `query` makes of it.
    static func parameter<Value: Hashable & Sendable>(
        _ path: String,
        _ name: String,
        _ summary: String,
        _ member: any WritableKeyPath<TunnelSpec, Value> & Sendable,
        _ changeClass: ChangeClass,
        roles: Set<TunnelRole> = [.server, .client],
        syntax: ValueSyntax<Value>,
        query: QuerySyntax<Value>,
        readQuery: ReadQuery? = nil,
        writeQuery: WriteQuery? = nil,
        valueOf: (@Sendable (TunnelContent) -> JSONValue)? = nil
    ) -> TunnelField {
        let standard = TunnelSpec.standard[keyPath: member]
        return TunnelField(
            path: path,
            summary: summary,
            schema: syntax.schema,
            roles: roles,
            parameters: [name],
            defaultText: syntax.defaultText ?? syntax.text(standard, .server),
            changeClass: changeClass,
            read: { node, reader, content in
                let role = content.spec.role
                let value = reader.value(node, path, expected: syntax.expected) { text throws(ValueProblem) in
                    try syntax.parse(text, role)
                }
                if let value { content.spec[keyPath: member] = value }
            },
            readQuery: readQuery ?? { value, spec in
                guard let text = value(name) else { return nil }
                spec[keyPath: member] = query.parse(text) ?? query.fallback
                guard query.parse(text) == nil else { return nil }
                return ParameterProblem(
                    parameter: name,
                    message: "'\(text)' cannot be read; it counts as \(query.fallbackText)"
                )
            },
            writeQuery: writeQuery ?? { spec in
                let value = spec[keyPath: member]
                return value == standard ? [] : [QueryParameter(name: name, value: query.text(value))]
            },
            textOf: { syntax.text($0.spec[keyPath: member], $0.spec.role) },
            isEqual: { $0.spec[keyPath: member] == $1.spec[keyPath: member] },
            valueOf: valueOf
        )
    }

    /// A row for a label: a short text that has no place in the URL.
    static func label(
        _ path: String,
        _ summary: String,
        _ member: any WritableKeyPath<TunnelContent, String> & Sendable
    ) -> TunnelField {
        TunnelField(
            path: path,
            summary: summary,
            schema: ["type": "string", "maxLength": .int(Int64(TunnelLabels.textLimitBytes))],
            roles: [.server, .client],
            parameters: [],
            defaultText: "",
            changeClass: .meta,
            read: { node, reader, content in
                let value = reader.value(node, path, expected: "a text", parse: TunnelLabels.checked)
                if let value { content[keyPath: member] = value }
            },
            textOf: { $0[keyPath: member] },
            isEqual: { $0[keyPath: member] == $1[keyPath: member] }
        )
    }
}

extension TunnelSpec {
    /// Where the defaults of all fields are read from.
    static let standard = TunnelSpec(role: .server, tunnel: Endpoint(host: "", port: 0), targets: [])
}
