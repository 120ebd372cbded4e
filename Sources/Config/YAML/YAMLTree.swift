/// A text as one tree in which every node has its place, or why it cannot be read.
package struct YAMLTree {
    /// Nil when the document is empty or could not be read; `diagnostics` shows which.
    package let root: DocumentNode?
    /// Why there is no root, or what in it has no meaning: the rest is there all the same.
    package let diagnostics: [Diagnostic]

    package init(_ given: String, file: String, limits: YAMLLimits = YAMLLimits()) {
        let text = InputText.withoutMarks(given)
        var builder = YAMLTreeBuilder(text: text, file: file, limits: limits)
        do {
            root = try builder.document()
        } catch {
            builder.diagnostics.append(error.diagnostic)
            root = nil
        }
        diagnostics = builder.diagnostics
    }
}

/// An error after which the rest of the document cannot be read.
private struct YAMLFailure: Error {
    let diagnostic: Diagnostic
}

/// Turns libyaml's events into nodes.
private struct YAMLTreeBuilder {
    var diagnostics: [Diagnostic] = []

    private let text: String
    private let file: String
    private let limits: YAMLLimits
    private let textBytes: Int
    private let stream: YAMLEventStream
    private var anchors: [String: Built] = [:]
    private var nodeCount = 0
    /// Keys from the root to the node being read; joined only for a message.
    private var path: [String] = []

    /// A finished subtree with its size, so that an alias to it is counted without walking it.
    private struct Built {
        let node: DocumentNode
        var nodes = 1
        var height = 1
    }

    init(text: String, file: String, limits: YAMLLimits) {
        self.text = text
        self.file = file
        self.limits = limits
        self.textBytes = text.utf8.count
        self.stream = YAMLEventStream(textBytes <= limits.documentBytes ? text : "")
    }

    mutating func document() throws(YAMLFailure) -> DocumentNode? {
        guard textBytes <= limits.documentBytes else {
            throw failure(.yamlLimit, YAMLPlace.start, "the document is larger than \(limits.documentBytes) bytes")
        }
        guard case .documentStart = try next().event else { return nil }
        let first = try next()
        let root = try value(of: first.event, at: first.place, depth: 1).node
        _ = try next()
        let after = try next()
        guard case .streamEnd = after.event else {
            report(.yamlDocuments, after.place, "a second document starts here; write one document per file")
            return root
        }
        return root
    }

    private struct YAMLPlace {
        let line: Int
        let column: Int
        static let start = YAMLPlace(line: 1, column: 1)
    }

    private mutating func next() throws(YAMLFailure) -> (event: YAMLEvent, place: YAMLPlace) {
        do {
            let (event, mark) = try stream.next()
            return (event, YAMLPlace(line: mark.line, column: mark.column))
        } catch {
            let place = YAMLPlace(line: error.mark.line, column: error.mark.column)
            let message = YAMLAdvice(text).message(error.problem, at: error.mark.line, context: error.context?.line)
            throw failure(.yamlSyntax, place, message)
        }
    }

    private mutating func value(
        of event: YAMLEvent,
        at place: YAMLPlace,
        depth: Int
    ) throws(YAMLFailure) -> Built {
        guard depth <= limits.depth else {
            throw failure(.yamlLimit, place, "nested deeper than \(limits.depth) levels")
        }
        switch event {
        case .alias(let name):
            return try expansion(of: name, at: place, depth: depth)
        case .scalar(let text, let isPlain, let anchor, let tag):
            guard text.utf8.count <= limits.scalarBytes else {
                throw failure(.yamlLimit, place, "a value is longer than \(limits.scalarBytes) bytes")
            }
            let isString = isStringTag(tag, at: place)
            let scalar = DocumentScalar(text: text, isPlain: isPlain && !isString)
            return try finish(Built(node: DocumentNode(.scalar(scalar), at: location(place))), anchor, place)
        case .sequenceStart(let anchor, let tag):
            refuse(tag, at: place)
            return try finish(try sequence(from: place, depth: depth), anchor, place)
        case .mappingStart(let anchor, let tag):
            refuse(tag, at: place)
            return try finish(try mapping(from: place, depth: depth), anchor, place)
        case .documentStart, .documentEnd, .streamEnd, .sequenceEnd, .mappingEnd:
            throw failure(.yamlSyntax, place, "a value is missing here")
        }
    }

    private mutating func finish(_ built: Built, _ anchor: String?, _ place: YAMLPlace) throws(YAMLFailure) -> Built {
        try charge(1, at: place)
        if let anchor { anchors[anchor] = built }
        return built
    }

    private mutating func charge(_ nodes: Int, at place: YAMLPlace) throws(YAMLFailure) {
        nodeCount += nodes
        guard nodeCount <= limits.nodes else {
            throw failure(.yamlLimit, place, "the document expands to more than \(limits.nodes) values")
        }
    }

    private mutating func expansion(of name: String, at place: YAMLPlace, depth: Int) throws(YAMLFailure) -> Built {
        guard let built = anchors[name] else {
            let advice = "a text that begins with * has to be quoted: '*\(name)'"
            report(.yamlAlias, place, "the anchor '&\(name)' is not defined before this alias; \(advice)")
            return Built(node: absent(at: place))
        }
        try charge(built.nodes, at: place)
        guard depth + built.height - 1 <= limits.depth else {
            throw failure(.yamlLimit, place, "nested deeper than \(limits.depth) levels")
        }
        return built
    }

    private mutating func sequence(from place: YAMLPlace, depth: Int) throws(YAMLFailure) -> Built {
        var items: [DocumentNode] = []
        var weight = (nodes: 1, height: 1)
        while true {
            let (event, itemPlace) = try next()
            if case .sequenceEnd = event { break }
            path.append("[\(items.count)]")
            let item = try value(of: event, at: itemPlace, depth: depth + 1)
            path.removeLast()
            items.append(item.node)
            weight = (weight.nodes + item.nodes, max(weight.height, item.height + 1))
        }
        let node = DocumentNode(.sequence(items), at: location(place))
        return Built(node: node, nodes: weight.nodes, height: weight.height)
    }

    private mutating func mapping(from place: YAMLPlace, depth: Int) throws(YAMLFailure) -> Built {
        var entries: [DocumentEntry] = []
        var places: [String: Int] = [:]
        var merged: [DocumentNode] = []
        var weight = (nodes: 1, height: 1)
        while true {
            let (event, keyPlace) = try next()
            if case .mappingEnd = event { break }
            let key = try keyScalar(event, at: keyPlace, depth: depth)
            let (valueEvent, valuePlace) = try next()
            path.append(key?.text ?? "")
            let item = try value(of: valueEvent, at: valuePlace, depth: depth + 1)
            defer { path.removeLast() }
            guard let key else { continue }
            weight = (weight.nodes + item.nodes + 1, max(weight.height, item.height + 1))
            // A quoted "<<" is an ordinary key.
            if key.isPlain && key.text == "<<" {
                merged += mergeSources(item.node, at: valuePlace)
            } else {
                let first = places[key.text]
                if let first {
                    report(repeated: key.text, at: keyPlace, first: entries[first].keyLocation)
                } else {
                    places[key.text] = entries.count
                }
                entries.append(
                    DocumentEntry(
                        key: key.text,
                        keyLocation: location(keyPlace),
                        value: item.node,
                        isRepeated: first != nil
                    )
                )
            }
        }
        // After all explicit keys, because these take precedence wherever `<<` is written; of the sources
        // the first one with a key does.
        for source in merged {
            for entry in source.entries ?? [] where places[entry.key] == nil {
                places[entry.key] = entries.count
                entries.append(entry)
            }
        }
        let node = DocumentNode(.mapping(entries), at: location(place))
        return Built(node: node, nodes: weight.nodes, height: weight.height)
    }

    private mutating func keyScalar(
        _ event: YAMLEvent,
        at place: YAMLPlace,
        depth: Int
    ) throws(YAMLFailure) -> DocumentScalar? {
        let key = try value(of: event, at: place, depth: depth + 1).node
        guard case .scalar(let scalar) = key.content else {
            let advice = "quote a text that begins with { or [, and render a template such as {{ … }} before"
            report(.yamlKey, place, "a key must be a single word, not \(key.kindName); \(advice)")
            return nil
        }
        return scalar
    }

    /// What `<<` brings in: one mapping or a list of them, earlier ones winning.
    private mutating func mergeSources(_ node: DocumentNode, at place: YAMLPlace) -> [DocumentNode] {
        let sources = node.items ?? [node]
        guard sources.allSatisfy({ $0.entries != nil }) else {
            report(.yamlMerge, place, "'<<' takes a mapping or a list of mappings")
            return []
        }
        return sources
    }

    /// What is in the place of something that has no meaning.
    private func absent(at place: YAMLPlace) -> DocumentNode {
        DocumentNode(.scalar(DocumentScalar(text: "", isPlain: true)), at: location(place))
    }

    private mutating func report(_ code: DiagnosticCode, _ place: YAMLPlace, _ message: String) {
        diagnostics.append(failure(code, place, message).diagnostic)
    }

    private mutating func report(repeated key: String, at place: YAMLPlace, first: SourceLocation) {
        diagnostics.append(
            .repeatedKey(key, at: location(place), path: joinedPath, first: first)
        )
    }

    /// True for `!!str` and `!`, which say "this is text"; other tags of scalars have no meaning
    /// here.
    private mutating func isStringTag(_ tag: String?, at place: YAMLPlace) -> Bool {
        guard let tag else { return false }
        if tag == "tag:yaml.org,2002:str" || tag == "!" { return true }
        refuse(tag, at: place)
        return false
    }

    private mutating func refuse(_ tag: String?, at place: YAMLPlace) {
        guard let tag, !["!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"].contains(tag) else { return }
        let advice = "remove it, or quote a text that begins with !"
        report(.yamlTag, place, "the tag '\(tag)' has no meaning here; \(advice)")
    }

    private var joinedPath: String {
        path.reduce(into: "") { text, part in
            if !text.isEmpty, !part.hasPrefix("[") { text += "." }
            text += part
        }
    }

    private func location(_ place: YAMLPlace) -> SourceLocation {
        SourceLocation(file: file, line: place.line, column: place.column)
    }

    private func failure(_ code: DiagnosticCode, _ place: YAMLPlace, _ message: String) -> YAMLFailure {
        YAMLFailure(
            diagnostic: Diagnostic(
                .error,
                at: location(place),
                path: joinedPath,
                code: code.rawValue,
                message
            )
        )
    }
}
