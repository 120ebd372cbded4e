/// A value of a YAML or JSON document, and where it is; anchors, aliases and merge keys are already
/// resolved.
package struct DocumentNode: Sendable {
    package enum Content: Sendable {
        case scalar(DocumentScalar)
        case sequence([DocumentNode])
        /// In the order of the file. A key that is given again follows the first one, marked as
        /// repeated.
        case mapping([DocumentEntry])
    }

    package let content: Content
    package let location: SourceLocation

    package init(_ content: Content, at location: SourceLocation) {
        self.content = content
        self.location = location
    }

    /// True for nothing, `~` and `null`: the key counts as absent.
    package var isNull: Bool {
        guard case .scalar(let scalar) = content, scalar.isPlain else { return false }
        return scalar.text.isEmpty || scalar.text == "~" || scalar.text == "null"
    }

    package var entries: [DocumentEntry]? {
        if case .mapping(let entries) = content { return entries }
        return nil
    }

    package var items: [DocumentNode]? {
        if case .sequence(let items) = content { return items }
        return nil
    }

    /// The first value under a key of a mapping.
    package subscript(key: String) -> DocumentNode? {
        entries?.first { $0.key == key }?.value
    }

    /// What it is, in words for an error message.
    package var kindName: String {
        switch content {
        case .scalar: isNull ? "an empty value" : "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping of keys"
        }
    }
}

/// Text as the file has it; only a plain (unquoted) one may be a number, a boolean or null.
package struct DocumentScalar: Sendable, Hashable {
    package let text: String
    package let isPlain: Bool

    package init(text: String, isPlain: Bool) {
        self.text = text
        self.isPlain = isPlain
    }
}

package struct DocumentEntry: Sendable {
    package let key: String
    package let keyLocation: SourceLocation
    package let value: DocumentNode
    /// The same mapping has this key before, which is an error; the value is checked all the same.
    package var isRepeated = false

    package init(key: String, keyLocation: SourceLocation, value: DocumentNode, isRepeated: Bool = false) {
        self.key = key
        self.keyLocation = keyLocation
        self.value = value
        self.isRepeated = isRepeated
    }
}
