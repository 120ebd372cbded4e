/// References that stay texts: a plan from another machine is to show whether the text is the same, and nothing else.
///
/// Where the declaration has the same reference, its value is taken over, and so nothing changes. Everything else
/// that is, or was, behind a reference gets a value that is surely another one; it is masked like every secret.
extension TunnelReading {
    /// What some key takes, in the order of trying.
    private static let strangers: [JSONValue] = [
        "reference", .int(1), .int(2), "127.0.0.1:65001", "127.0.0.1:65002", "1s", "2s", "info", "warn", "off", "tcp",
        "udp",
        "10.0.0.0/8", "127.0.0.1", "stopped", "running", .object([.init("reference", "reference")]),
    ]

    /// True when the key's value has a reference, and has been dealt with.
    mutating func keepsReference(_ key: GivenKey, _ field: TunnelField, _ reader: inout NodeReader) -> Bool {
        guard reader.references.policy == .keep, key.node.hasReference else { return false }
        if case .scalar(let scalar) = key.node.content, let known {
            let text = References.text(scalar.text, from: reader.directory)
            reader.referenceTexts[field.path] = text
            if known.referenceTexts[field.path] == text {
                sameReferences.insert(field.path)
                field.read(DocumentNode(field.value(in: known.content), at: key.location), &reader, &content)
            }
        }
        reader.referencedPaths.insert(field.path)
        if !sameReferences.contains(field.path) { becomeStrange(field, key.location, &reader) }
        return true
    }

    /// The URL with the value of each reference replaced: by what the declaration has, or by anything that fits.
    mutating func kept(_ text: NodeReader.Text) -> NodeReader.Text {
        guard text.reference != nil else { return text }
        var url = TunnelURLParts.replacingReferences(in: text.value, by: "0")
        if let known, known.referenceTexts["url"] == text.value {
            sameReferences.insert("url")
            sameReferences.formUnion(known.secretPaths)
            url = known.url
        }
        return NodeReader.Text(value: url, isPlain: text.isPlain, reference: text.reference, location: text.location)
    }

    /// Makes what the declaration has from a reference differ from what is compared with it: a right
    /// guess must look like a wrong one.
    mutating func disguise(_ reader: inout NodeReader) {
        guard let known else { return }
        let isKeyHidden = known.referenceTexts["key"] != nil || known.referenceTexts["url"] != nil
        for path in known.secretPaths.subtracting(sameReferences).sorted() where path != "key" || isKeyHidden {
            guard let field = ManifestSchema.fieldsByPath[path] else { continue }
            // Right or wrong, it is masked.
            reader.referencedPaths.insert(path)
            if field.isEqual(known.content, content) { becomeStrange(field, source, &reader) }
        }
    }

    private mutating func becomeStrange(
        _ field: TunnelField,
        _ location: SourceLocation,
        _ reader: inout NodeReader
    ) {
        let former = known?.content ?? content
        for value in Self.strangers {
            var changed = content
            let isRead = reader.attempt { field.read(DocumentNode(value, at: location), &$0, &changed) }
            guard isRead, !field.isEqual(former, changed) else { continue }
            content = changed
            return
        }
    }
}

extension DocumentNode {
    /// Whether it has a reference, at any depth.
    var hasReference: Bool {
        switch content {
        case .scalar(let scalar): References.mayOccur(in: scalar.text)
        case .sequence(let items): items.contains(where: \.hasReference)
        case .mapping(let entries): entries.contains { $0.value.hasReference }
        }
    }
}
