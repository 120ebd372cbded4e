/// What has to happen to a running tunnel when a field changes; the later, the more is touched.
package enum ChangeClass: String, Sendable, Hashable, CaseIterable, Comparable {
    /// Nothing but the record.
    case meta
    /// The new value counts for new connections; nothing closes.
    case live
    /// Listeners stay open, a new session takes over, established relays finish or hit `drain`.
    case session
    /// The new address is bound first; then the old one stops accepting and drains.
    case rebind

    package static func < (a: ChangeClass, b: ChangeClass) -> Bool {
        a.rank < b.rank
    }

    private var rank: Int {
        switch self {
        case .meta: 0
        case .live: 1
        case .session: 2
        case .rebind: 3
        }
    }
}

/// Everything one entry under `tunnels` declares: the spec, and what the record has beside it.
package struct TunnelContent: Sendable, Hashable {
    package var spec: TunnelSpec
    package var labels = TunnelLabels()
    package var running = true

    package init(spec: TunnelSpec, labels: TunnelLabels = TunnelLabels(), running: Bool = true) {
        self.spec = spec
        self.labels = labels
        self.running = running
    }
}

/// Values of URL parameters by name; an empty one counts as absent, as in NodePass.
package typealias ParameterLookup = (String) -> String?

/// One row of the table of keys: how a field is written in YAML and in a URL, and what a change of it means.
///
/// A class, because every key of every tunnel looks its row up, and copies of a value with so many functions add up.
package final class TunnelField: Sendable {
    /// The key's path below the tunnel, `limits.rate`.
    package let path: String
    /// One line for people.
    package let summary: String
    /// The value's JSON Schema.
    package let schema: JSONValue
    package let roles: Set<TunnelRole>
    /// Names of its URL parameters; empty for what has another place in the URL or none.
    package let parameters: [String]
    package let defaultText: String
    package let changeClass: ChangeClass
    /// True for values that are never shown, wherever they came from.
    let isSecret: Bool

    typealias Read = @Sendable (DocumentNode, inout NodeReader, inout TunnelContent) -> Void
    /// Reports problems in the value and leaves the field at what protocol.md gives for an invalid value.
    typealias ReadQuery = @Sendable (ParameterLookup, inout TunnelSpec) -> ParameterProblem?
    typealias WriteQuery = @Sendable (TunnelSpec) -> [QueryParameter]

    let read: Read
    let readQuery: ReadQuery
    let writeQuery: WriteQuery
    /// The value in words for a plan; a mask for secrets.
    let textOf: @Sendable (TunnelContent) -> String
    let isEqual: @Sendable (TunnelContent, TunnelContent) -> Bool
    /// The value as the manifest's YAML has it, where that is more than `textOf`.
    private let valueOf: (@Sendable (TunnelContent) -> JSONValue)?
    /// The class where it depends on the values, as for a target that may be listened on.
    let classOf: (@Sendable (TunnelSpec, TunnelSpec) -> ChangeClass)?

    init(
        path: String,
        summary: String,
        schema: JSONValue,
        roles: Set<TunnelRole>,
        parameters: [String],
        defaultText: String,
        changeClass: ChangeClass,
        isSecret: Bool = false,
        read: @escaping Read,
        readQuery: @escaping ReadQuery = { _, _ in nil },
        writeQuery: @escaping WriteQuery = { _ in [] },
        textOf: @escaping @Sendable (TunnelContent) -> String,
        isEqual: @escaping @Sendable (TunnelContent, TunnelContent) -> Bool,
        valueOf: (@Sendable (TunnelContent) -> JSONValue)? = nil,
        classOf: (@Sendable (TunnelSpec, TunnelSpec) -> ChangeClass)? = nil
    ) {
        self.path = path
        self.summary = summary
        self.schema = schema
        self.roles = roles
        self.parameters = parameters
        self.defaultText = defaultText
        self.changeClass = changeClass
        self.isSecret = isSecret
        self.read = read
        self.readQuery = readQuery
        self.writeQuery = writeQuery
        self.textOf = textOf
        self.isEqual = isEqual
        self.valueOf = valueOf
        self.classOf = classOf
    }

    /// The value as the manifest's YAML has it; a secret in clear.
    func value(in content: TunnelContent) -> JSONValue {
        if let valueOf { return valueOf(content) }
        let text = textOf(content)
        return DecimalNumber.parse(text).map { .int(Int64($0)) } ?? .string(text)
    }

    /// The value in words, as a plan shows it.
    package func text(for spec: TunnelSpec) -> String {
        textOf(TunnelContent(spec: spec))
    }
}

/// Why a URL parameter's value is not used as written.
struct ParameterProblem {
    let parameter: String
    let message: String
    /// True when going on without the value would be dangerous, as with an access rule.
    var isFatal = false
}

/// How values of one kind are written in YAML and shown to people.
struct ValueSyntax<Value: Hashable & Sendable>: Sendable {
    /// Follows "takes", as in "takes a number from 1 to 10".
    let expected: String
    let schema: JSONValue
    let parse: @Sendable (NodeReader.Text, TunnelRole) throws(ValueProblem) -> Value
    let text: @Sendable (Value, TunnelRole) -> String
    /// Where the default cannot be written as a value, as for a name that is not set.
    var defaultText: String?
}

/// How values of one kind are written in a URL's query.
struct QuerySyntax<Value: Hashable & Sendable>: Sendable {
    /// Nil for a value that is not used as written.
    let parse: @Sendable (String) -> Value?
    /// What is used instead of an invalid value, and what that means in words.
    let fallback: Value
    let fallbackText: String
    let text: @Sendable (Value) -> String
}

extension TunnelField {
    /// A row for a member of the spec with one value in YAML and one URL parameter; `readQuery` and `writeQuery` replace what `query` makes of it.
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
        writeQuery: WriteQuery? = nil
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
                return ParameterProblem(parameter: name, message: "'\(text)' counts as \(query.fallbackText)")
            },
            writeQuery: writeQuery ?? { spec in
                let value = spec[keyPath: member]
                return value == standard ? [] : [QueryParameter(name: name, value: query.text(value))]
            },
            textOf: { syntax.text($0.spec[keyPath: member], $0.spec.role) },
            isEqual: { $0.spec[keyPath: member] == $1.spec[keyPath: member] }
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

extension TunnelLabels {
    static func checked(_ text: NodeReader.Text) throws(ValueProblem) -> String {
        guard fits(text.value) else { throw ValueProblem("is longer than \(textLimitBytes) bytes", code: .labelLength) }
        return text.value
    }
}

extension TunnelSpec {
    /// Where the defaults of all fields are read from.
    static let standard = TunnelSpec(role: .server, tunnel: Endpoint(host: "", port: 0), targets: [])
}
