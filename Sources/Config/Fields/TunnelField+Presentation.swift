extension TunnelField {
    /// What people see.
    static let presentation: [TunnelField] = [
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
    private static let stateWords = ValueSyntax.words([("running", true), ("stopped", false)])

    static let state = TunnelField(
        path: "state",
        summary: "Whether it should run.",
        schema: ["enum": ["running", "stopped"]],
        roles: bothRoles,
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
        roles: bothRoles,
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

extension TunnelLabels {
    static func checked(_ text: NodeReader.Text) throws(ValueProblem) -> String {
        guard fits(text.value) else { throw ValueProblem("is longer than \(textLimitBytes) bytes", code: .labelLength) }
        return text.value
    }
}
