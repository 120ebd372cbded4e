import Config

/// A template of kubectl's kind, filled in for one object: texts, and `{.name}` or `{.meta.tags.team}` within.
struct PathTemplate {
    private enum Part {
        case text(String)
        case path([String])
    }

    private let parts: [Part]

    init(_ template: String) throws(CommandFailure) {
        var parts: [Part] = []
        var rest = template[...]
        while let open = rest.firstIndex(of: "{") {
            parts.append(.text(String(rest[..<open])))
            guard let close = rest[open...].firstIndex(of: "}") else {
                throw Self.failure("'{' has no '}'")
            }
            parts.append(try Self.part(rest[rest.index(after: open)..<close]))
            rest = rest[rest.index(after: close)...]
        }
        parts.append(.text(String(rest)))
        self.parts = parts
    }

    private static func part(_ expression: Substring) throws(CommandFailure) -> Part {
        if expression.hasPrefix("\""), expression.hasSuffix("\""), expression.count > 1 {
            let text = expression.dropFirst().dropLast()
            return .text(String(text).replacing("\\t", with: "\t").replacing("\\n", with: "\n"))
        }
        guard expression.first == "." else {
            throw failure("'{\(expression)}' is not a path; write {.name}, {.meta.tags.team} or {\"text\"}")
        }
        let steps = expression.replacing("[", with: ".").replacing("]", with: "").split(separator: ".")
        return .path(steps.map { $0.filter { $0 != "'" && $0 != "\"" } })
    }

    private static func failure(_ problem: String) -> CommandFailure {
        CommandFailure(message: "-o jsonpath: \(problem)", isUsage: true)
    }

    /// What is missing is left out.
    func text(_ object: JSONValue) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .path(let steps): Self.text(Self.value(steps, in: object))
            }
        }.joined()
    }

    private static func value(_ steps: [String], in object: JSONValue) -> JSONValue? {
        var value: JSONValue? = object
        for name in steps { value = value.flatMap { step($0, name) } }
        return value
    }

    private static func step(_ value: JSONValue, _ name: String) -> JSONValue? {
        if case .array(let items) = value {
            return Int(name).flatMap { items.indices.contains($0) ? items[$0] : nil }
        }
        return value[name]
    }

    private static func text(_ value: JSONValue?) -> String {
        switch value {
        case nil, .null: ""
        case .string(let text): PlainText.line(text)
        case .some(let value): PlainText.line(value.compactText)
        }
    }
}
