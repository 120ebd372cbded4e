/// One entry under `tunnels`, checked.
package struct TunnelDeclaration: Sendable, Hashable {
    package let name: String
    package let spec: TunnelSpec
    /// The spec's canonical one-line form, which takes a while to make.
    package let url: String
    package let labels: TunnelLabels
    package let running: Bool
    /// Where the name is declared.
    package let source: SourceLocation
    /// Keys whose values came from a reference, and `key`: never to be shown.
    package let secretPaths: Set<String>
    /// Of those that are one scalar, the text of the file: `${env:WEB_KEY}`, by path.
    package let referenceTexts: [String: String]
    /// The place of each key that was given, defaults included.
    package let fieldSources: [String: SourceLocation]
    /// 12 hex digits that change exactly when what is declared changes, not when it moves.
    package let revision: String

    /// `url` is the spec's.
    init(
        name: String,
        spec: TunnelSpec,
        url: String,
        labels: TunnelLabels,
        running: Bool,
        source: SourceLocation,
        secretPaths: Set<String>,
        referenceTexts: [String: String],
        fieldSources: [String: SourceLocation]
    ) {
        self.name = name
        self.spec = spec
        self.url = url
        self.labels = labels
        self.running = running
        self.source = source
        self.secretPaths = secretPaths
        self.referenceTexts = referenceTexts
        self.fieldSources = fieldSources
        self.revision = TunnelDeclaration.revision(of: url, labels, running: running)
    }

    /// The rule for names, which are also parts of URLs, file names and metric labels.
    package static func isName(_ text: String) -> Bool {
        let letters = Array(text.utf8)
        guard (1...63).contains(letters.count), letters.first != 45, letters.last != 45 else { return false }
        return letters.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
    }

    package var content: TunnelContent { TunnelContent(spec: spec, labels: labels, running: running) }

    private static func revision(of url: String, _ labels: TunnelLabels, running: Bool) -> String {
        let tags = labels.tags.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        let content: JSONValue = [
            .string(url), .string(labels.alias), .string(labels.peer.sid), .string(labels.peer.type),
            .string(labels.peer.alias), .array(tags.map { [.string($0.key), .string($0.value)] }), .bool(running),
        ]
        return Revision.of(content.compactText)
    }
}
