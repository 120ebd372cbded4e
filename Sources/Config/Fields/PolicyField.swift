/// The keys of `policy`: their reader and their JSON Schema in one table.
struct PolicyField: Sendable {
    let name: String
    let summary: String
    let schema: JSONValue
    let defaultText: String
    let read: @Sendable (DocumentNode, inout NodeReader, inout ManifestPolicy) -> Void

    static let all: [PolicyField] = [
        field(
            "overrides",
            "Whether REST may change a declared tunnel.",
            "allow",
            \.overridesAllowed,
            .words([("allow", true), ("deny", false)])
        ),
        field("overrideTTL", "Overrides expire after this long; 0 means never.", "0", \.overrideTTL, .duration),
        field("prune", "Whether a tunnel that leaves the manifest is deleted.", "true", \.prune, .boolean),
        field(
            "maxDeletes",
            "A manifest that deletes more tunnels at once, a number or a percentage, is rejected until it is confirmed.",
            "none",
            \.maxDeletes,
            .deleteLimit
        ),
    ]

    static func read(_ node: DocumentNode, _ reader: inout NodeReader) -> ManifestPolicy {
        var policy = ManifestPolicy()
        for entry in reader.entries(node, "policy") ?? [] {
            if let field = all.first(where: { $0.name == entry.key }) {
                if !entry.value.isNull { field.read(entry.value, &reader, &policy) }
            } else {
                let path = "policy." + entry.key
                reader.unknown(entry.key, at: entry.keyLocation, among: all.map(\.name), path: path)
            }
        }
        return policy
    }

    private static func field<Value>(
        _ name: String,
        _ summary: String,
        _ defaultText: String,
        _ member: any WritableKeyPath<ManifestPolicy, Value> & Sendable,
        _ syntax: ValueSyntax<Value>
    ) -> PolicyField {
        PolicyField(name: name, summary: summary, schema: syntax.schema, defaultText: defaultText) {
            node,
            reader,
            policy in
            let path = "policy." + name
            let value = reader.value(node, path, expected: syntax.expected) { text throws(ValueProblem) in
                try syntax.parse(text, .server)
            }
            if let value { policy[keyPath: member] = value }
        }
    }
}
