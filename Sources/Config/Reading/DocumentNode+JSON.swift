extension DocumentNode {
    /// The same document as JSON has it, without a text in between.
    ///
    /// JSON from a request has no lines: every node is at `location`, and messages name the path.
    init(_ value: JSONValue, at location: SourceLocation) {
        let content: Content =
            switch value {
            case .null: .scalar(DocumentScalar(text: "null", isPlain: true))
            case .bool, .int, .double: .scalar(DocumentScalar(text: value.compactText, isPlain: true))
            case .string(let text): .scalar(DocumentScalar(text: text, isPlain: false))
            case .array(let items): .sequence(items.map { DocumentNode($0, at: location) })
            case .object(let members): .mapping(DocumentNode.entries(members, at: location))
            }
        self.init(content, at: location)
    }

    private static func entries(_ members: [JSONValue.Member], at location: SourceLocation) -> [DocumentEntry] {
        var seen = Set<String>()
        return members.map { member in
            DocumentEntry(
                key: member.name,
                keyLocation: location,
                value: DocumentNode(member.value, at: location),
                isRepeated: !seen.insert(member.name).inserted
            )
        }
    }

    /// The paths of the keys that are repeated in this mapping and in those within it.
    func repeatedKeys(below path: String) -> [(path: String, key: String)] {
        switch content {
        case .scalar: []
        case .sequence(let items):
            items.enumerated().flatMap { $1.repeatedKeys(below: "\(path)[\($0)]") }
        case .mapping(let entries):
            entries.flatMap { entry in
                let inner = path.isEmpty ? entry.key : path + "." + entry.key
                return (entry.isRepeated ? [(inner, entry.key)] : []) + entry.value.repeatedKeys(below: inner)
            }
        }
    }
}
