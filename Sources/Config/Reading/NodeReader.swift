/// Typed lookups in a document that collect every problem instead of stopping at the first.
package struct NodeReader {
    package private(set) var diagnostics: [Diagnostic] = []
    /// The path of the keys being read, `tunnels.web`; joined with a key's own path in messages.
    package var prefix = ""
    /// Where relative paths start.
    package var directory: String
    package private(set) var references: References
    /// Paths (without the prefix) of the values that came from a reference: they are secrets.
    package var referencedPaths: Set<String> = []
    /// The text of the file for each scalar that came from references, by path: `${env:WEB_KEY}`.
    package var referenceTexts: [String: String] = [:]
    /// Tunnels whose key is behind a reference that stays a text: nothing can be said of its strength.
    var tunnelsWithUnknownKey: Set<String> = []

    private var suggested: Set<String> = []
    /// False for a document without lines, whose messages name the path alone.
    private let showsPlaces: Bool

    package init(references: References, directory: String, showsPlaces: Bool = true) {
        self.references = references
        self.directory = directory
        self.showsPlaces = showsPlaces
    }

    /// A scalar after its references were replaced.
    package struct Text: Sendable {
        package let value: String
        package let isPlain: Bool
        /// The names of the references in it, when there were any; then the value must not be
        /// shown.
        package let reference: String?
        package let location: SourceLocation
    }

    /// The scalar at a node; nil after a diagnostic when it is a list or mapping, or its references
    /// fail.
    package mutating func text(
        _ node: DocumentNode,
        _ path: String,
        expected: String,
        transform: (String, Substring, Substring) -> String = { value, _, _ in value }
    ) -> Text? {
        guard case .scalar(let scalar) = node.content else {
            fail(.badType, node.location, path, "takes \(expected), not \(node.kindName)")
            return nil
        }
        guard References.mayOccur(in: scalar.text) else {
            return Text(value: scalar.text, isPlain: scalar.isPlain, reference: nil, location: node.location)
        }
        referencedPaths.insert(path)
        guard references.policy != .keep else {
            referenceTexts[path] = References.text(scalar.text, from: directory)
            let names = References.names(in: scalar.text)
            return Text(value: scalar.text, isPlain: true, reference: names, location: node.location)
        }
        do throws(References.Failure) {
            let value = try references.resolve(scalar.text, directory: directory, transform: transform)
            referenceTexts[path] = References.text(scalar.text, from: directory)
            let names = References.names(in: scalar.text)
            return Text(value: value, isPlain: true, reference: names, location: node.location)
        } catch {
            fail(error.code, node.location, path, error.problem)
            return nil
        }
    }

    /// The value of a text; nil after a diagnostic that never shows what a reference brought in.
    package mutating func value<V>(
        _ node: DocumentNode,
        _ path: String,
        expected: String,
        parse: (Text) throws(ValueProblem) -> V
    ) -> V? {
        guard let text = text(node, path, expected: expected) else { return nil }
        do throws(ValueProblem) {
            return try parse(text)
        } catch {
            if let reference = text.reference {
                fail(.badValue, node.location, path, "the value of \(reference) is not \(expected)")
            } else {
                fail(error.code, node.location, path, error.message)
            }
            return nil
        }
    }

    /// One value or a list of them; nil after a diagnostic for each bad one.
    package mutating func values<V>(
        _ node: DocumentNode,
        _ path: String,
        expected: String,
        parse: (Text) throws(ValueProblem) -> V
    ) -> [V]? {
        let items = node.items ?? [node]
        var isWhole = true
        var values: [V] = []
        for item in items {
            // `a, b` can only mean two: no value of a list has a comma.
            let parts = value(item, path, expected: expected) { text throws(ValueProblem) -> [V] in
                var parts: [V] = []
                for part in text.value.split(separator: ",") {
                    parts.append(
                        try parse(
                            Text(
                                value: part.trimmingBlanks,
                                isPlain: text.isPlain,
                                reference: text.reference,
                                location: text.location
                            )
                        )
                    )
                }
                if parts.isEmpty { parts = [try parse(text)] }
                return parts
            }
            if let parts { values += parts } else { isWhole = false }
        }
        // Which of the items it was would be lost.
        if node.items != nil { referenceTexts[path] = nil }
        return isWhole ? values : nil
    }

    /// The keys of a mapping; nil after a diagnostic when it is something else.
    package mutating func entries(_ node: DocumentNode, _ path: String) -> [DocumentEntry]? {
        if let entries = node.entries { return entries }
        fail(
            .notAMapping,
            node.location,
            path,
            missingColon(node) ?? "takes keys with values, not \(node.kindName)"
        )
        return nil
    }

    /// `role client` is a text where it is the only line of its mapping.
    private func missingColon(_ node: DocumentNode) -> String? {
        guard case .scalar(let scalar) = node.content, scalar.isPlain else { return nil }
        let margin = String(repeating: " ", count: max(0, node.location.column - 1))
        return YAMLAdvice.keyWithoutColon(Substring(margin + scalar.text))
    }

    /// Reports an unknown key, and the known one that was perhaps meant.
    package mutating func unknown(_ key: String, at location: SourceLocation, among known: [String], path: String) {
        if let advice = Self.advice(onKey: key, among: known) { return fail(.unknownKey, location, path, advice) }
        if let ours = Self.otherNames[key.lowercased()], known.contains(ours) {
            return fail(.unknownKey, location, path, "unknown key; did you mean '\(ours)'?")
        }
        let nearest = EditDistance.nearest(to: key, among: known)
        if let nearest { suggested.insert(prefix + "." + nearest) }
        let advice = nearest.map { "; did you mean '\($0)'?" }
        let list = advice ?? "; use one of " + known.joined(separator: ", ")
        fail(.unknownKey, location, path, "unknown key" + list)
    }

    /// Whether this key was named as what an unknown one was perhaps meant to be: then it is not missing.
    func hasSuggested(_ path: String) -> Bool { suggested.contains(prefix + "." + path) }

    /// What other tools call our keys.
    private static let otherNames = [
        "password": "key", "secret": "key", "token": "key", "psk": "key", "auth": "key", "upstream": "target",
        "backend": "target", "remote": "target", "destination": "target", "enabled": "state", "running": "state",
        "cert": "certificate", "crt": "certificate", "private_key": "key", "servername": "sni", "bandwidth": "rate",
        "max_connections": "connections", "maxconn": "connections", "whitelist": "allow", "blacklist": "deny",
    ]

    /// What is no key at all: one without a blank after its colon, or an address that a comma has split off.
    private static func advice(onKey key: String, among known: [String]) -> String? {
        guard let colon = key.firstIndex(of: ":") else { return nil }
        let (word, rest) = (key[..<colon], key[key.index(after: colon)...])
        if known.contains(String(word)) { return "a blank is missing after the colon; write: \(word): \(rest)" }
        guard (try? Endpoint(key)) != nil else { return nil }
        return "an address stands alone here; write several in brackets: target: [host:port, \(key)]"
    }

    package mutating func fail(_ code: DiagnosticCode, _ location: SourceLocation?, _ path: String, _ message: String) {
        add(.error, code, location, path, message)
    }

    package mutating func warn(_ code: DiagnosticCode, _ location: SourceLocation?, _ path: String, _ message: String) {
        add(.warning, code, location, path, message)
    }

    package mutating func add(
        _ severity: Diagnostic.Severity,
        _ code: DiagnosticCode,
        _ location: SourceLocation?,
        _ path: String,
        _ message: String,
        related: SourceLocation? = nil
    ) {
        let full = prefix.isEmpty || path.isEmpty ? prefix + path : prefix + "." + path
        diagnostics.append(
            Diagnostic(
                severity,
                at: showsPlaces ? location : nil,
                path: full,
                code: code.rawValue,
                message,
                related: showsPlaces ? related : nil
            )
        )
    }

    package mutating func append(_ more: [Diagnostic]) { diagnostics += more }

    /// Runs a reading whose failure is not to be reported; true when it had no errors.
    package mutating func attempt(_ read: (inout NodeReader) -> Void) -> Bool {
        let before = diagnostics.count
        read(&self)
        let isClean = !diagnostics[before...].contains { $0.severity == .error }
        diagnostics.removeSubrange(before...)
        return isClean
    }
}
