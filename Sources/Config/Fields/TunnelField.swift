/// Values of URL parameters by name; an empty one counts as absent, as in NodePass.
package typealias ParameterLookup = (String) -> String?

/// One row of the table of keys: how a field is written in YAML and in a URL, and what a change of
/// it means.
///
/// A class, because every key of every tunnel looks its row up, and copies of a value with so many
/// functions add up.
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

    static let bothRoles: Set<TunnelRole> = [.server, .client]

    typealias Read = @Sendable (DocumentNode, inout NodeReader, inout TunnelContent) -> Void
    /// Reports problems in the value and leaves the field at what protocol.md gives for an invalid
    /// value.
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
        // A text stays one, though it looks like a number.
        if schema["type"] == "string" { return .string(text) }
        return DecimalNumber.parse(text).map { .int(Int64($0)) } ?? .string(text)
    }

    /// The value in words, as a plan shows it.
    package func text(for spec: TunnelSpec) -> String {
        textOf(TunnelContent(spec: spec))
    }

    /// Every tunnel needs it.
    var isRequired: Bool { ["role", "tunnel", "target"].contains(path) }

    /// Whether its value, or a part of it, is one of these.
    func isHidden(by secretPaths: Set<String>) -> Bool {
        secretPaths.contains { $0 == path || $0.hasPrefix(path + ".") }
    }

    func parameters(of spec: TunnelSpec, hiding secretPaths: Set<String>) -> [QueryParameter] {
        let written = writeQuery(spec)
        guard !written.isEmpty, isHidden(by: secretPaths) else { return written }
        return written.map { QueryParameter(name: $0.name, value: Secret.mask) }
    }
}

/// Why a URL parameter's value is not used as written.
struct ParameterProblem {
    let parameter: String
    let message: String
    /// True when going on without the value would be dangerous, as with an access rule.
    var isFatal = false
}
