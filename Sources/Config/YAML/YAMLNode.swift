/// A YAML value that knows where it stands; anchors, aliases and merge keys are already resolved.
package struct YAMLNode: Sendable {
    package enum Content: Sendable {
        case scalar(YAMLScalar)
        case sequence([YAMLNode])
        /// In the order of the file; keys are unique.
        case mapping([YAMLEntry])
    }

    package let content: Content
    package let location: SourceLocation

    package init(_ content: Content, at location: SourceLocation) {
        self.content = content
        self.location = location
    }

    /// True for nothing, `~` and `null`: the key is as good as not there.
    package var isNull: Bool {
        guard case .scalar(let scalar) = content, scalar.isPlain else { return false }
        return scalar.text.isEmpty || scalar.text == "~" || scalar.text == "null"
    }

    package var entries: [YAMLEntry]? {
        if case .mapping(let entries) = content { return entries }
        return nil
    }

    package var items: [YAMLNode]? {
        if case .sequence(let items) = content { return items }
        return nil
    }

    /// The value under a key of a mapping.
    package subscript(key: String) -> YAMLNode? {
        entries?.first { $0.key == key }?.value
    }

    /// What it is, in words for an error message.
    package var kindName: String {
        switch content {
        case .scalar: isNull ? "nothing" : "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping of keys"
        }
    }
}

/// Text as it stands in the file; only a plain (unquoted) one may be a number, a boolean or null.
package struct YAMLScalar: Sendable, Hashable {
    package let text: String
    package let isPlain: Bool
}

package struct YAMLEntry: Sendable {
    package let key: String
    package let keyLocation: SourceLocation
    package let value: YAMLNode
}

/// How much of a document we are ready to read; reaching a limit rejects the document.
package struct YAMLLimits: Sendable {
    /// 5,000 tunnels with every key written out are about 5 MiB.
    package var documentBytes = 16 << 20
    /// The manifest itself is five levels deep.
    package var depth = 64
    /// Counts what aliases and merge keys expand to, so that a small text can not become a large tree.
    package var nodes = 1_000_000
    /// The longest single value; the longest we use are URLs.
    package var scalarBytes = 1 << 20

    package init() {}
}
