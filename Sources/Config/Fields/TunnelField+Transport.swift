extension TunnelField {
    private static let words: [(String, PoolTransport)] = [
        ("tcp", .tcp), ("quic", .quic), ("websocket", .websocket), ("http2", .http2),
    ]
    private static let automaticWord = "auto"
    private static let names: [String] = words.map(\.0) + [automaticWord]

    static let transport = TunnelField(
        path: "transport",
        summary: "What carries the links: one kind, `auto`, or a list of which the client takes the first that works.",
        schema: [
            "anyOf": [
                ["enum": .array(names.map { .string($0) })],
                [
                    "type": "array", "uniqueItems": true, "minItems": 1,
                    "items": ["enum": .array(words.map { .string($0.0) })],
                ],
            ]
        ],
        roles: [.server],
        parameters: ["type"],
        defaultText: "tcp",
        changeClass: .session,
        read: { node, reader, content in
            let expected = "one of " + names.joined(separator: ", ") + ", or a list"
            let values = reader.values(node, "transport", expected: expected) { text throws(ValueProblem) in
                try kinds(text.value.lowercased())
            }
            guard let values else { return }
            let transports = Array(values.joined())
            let isAlone = values.count == 1 || values.allSatisfy { $0.count == 1 }
            guard isAlone, !transports.isEmpty, Set(transports).count == transports.count else {
                reader.fail(.badValue, node.location, "transport", "takes each kind once, or auto alone")
                return
            }
            content.spec.transports = transports
        },
        readQuery: { value, spec in
            guard let text = value("type") else { return nil }
            let transports = text.split(separator: ",").map { PoolTransport(code: String($0)) }
            let areKnown = transports.allSatisfy { $0.code != nil } && Set(transports).count == transports.count
            spec.transports = areKnown && !transports.isEmpty ? transports : [.unknown(text)]
            guard !areKnown else { return nil }
            return ParameterProblem(
                parameter: "type",
                message: "'\(text)' is not a known type; the tunnel will not start"
            )
        },
        writeQuery: { spec in
            let text = spec.transports.map(\.codeText).joined(separator: ",")
            return spec.transports == [.tcp] ? [] : [QueryParameter(name: "type", value: text)]
        },
        textOf: { content in
            let transports = content.spec.transports
            if transports == PoolTransport.automatic { return automaticWord }
            let names = transports.map(\.name)
            return names.count == 1 ? names[0] : "[\(names.joined(separator: ", "))]"
        },
        isEqual: { $0.spec.transports == $1.spec.transports },
        valueOf: { content in
            let transports = content.spec.transports
            if transports == PoolTransport.automatic { return .string(automaticWord) }
            let names = transports.map { JSONValue.string($0.name) }
            return names.count == 1 ? names[0] : .array(names)
        }
    )

    private static func kinds(_ word: String) throws(ValueProblem) -> [PoolTransport] {
        if word == automaticWord { return PoolTransport.automatic }
        guard let kind = words.first(where: { $0.0 == word })?.1 else {
            throw ValueProblem(ValueProblem.notOne(word, of: names))
        }
        return [kind]
    }
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

    /// How many kinds there are, so that more cannot be offered.
    package static var limit: Int { codes.count }

    /// The manifest's word for it.
    package var name: String {
        switch self {
        case .tcp: "tcp"
        case .quic: "quic"
        case .websocket: "websocket"
        case .http2: "http2"
        case .unknown(let text): text
        }
    }

    /// The number NodePass knows it by; nil for one that it does not know.
    package var code: Int? {
        PoolTransport.codes.firstIndex { $0.1 == self }
    }
}
