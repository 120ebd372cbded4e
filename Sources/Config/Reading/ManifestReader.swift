import Glibc

/// Reads manifests into checked values: the same code for the daemon, `plan`, `validate` and the API.
package struct ManifestReader: Sendable {
    /// How deep includes may be nested.
    package static let includeDepthLimit = 8
    /// Files one manifest may consist of; one tunnel per file is fine.
    package static let fileLimit = 10_000

    private let environment: [String: String]
    private let workingDirectory: String
    private let mayBindPrivilegedPorts: Bool

    package init(
        environment: [String: String],
        workingDirectory: String,
        mayBindPrivilegedPorts: Bool = geteuid() == 0
    ) {
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.mayBindPrivilegedPorts = mayBindPrivilegedPorts
    }

    /// Reads files and directories of `*.yaml` and `*.yml`; several merge as if one included the others.
    package func read(paths: [String]) -> ManifestReading {
        var collector = collector(allowsIncludes: true)
        for path in paths { collector.readRoot(TextFile.absolute(path, from: workingDirectory), shownAs: path) }
        if paths.isEmpty { collector.reject(.empty, nil, "", "no manifest is named") }
        return collector.reading(mayBindPrivilegedPorts: mayBindPrivilegedPorts)
    }

    /// Reads one manifest from a text; `file` names it in messages, and relative paths start at its directory.
    package func read(text: String, file: String, allowsIncludes: Bool = true) -> ManifestReading {
        var collector = collector(allowsIncludes: allowsIncludes)
        collector.readText(text, path: TextFile.absolute(file, from: workingDirectory), shownAs: file)
        return collector.reading(mayBindPrivilegedPorts: mayBindPrivilegedPorts)
    }

    /// Reads the keys of a single tunnel, as YAML or JSON, from a request; references are refused there.
    package func readTunnel(
        text: String,
        name: String
    ) -> (declaration: TunnelDeclaration?, diagnostics: [Diagnostic]) {
        let tree = YAMLTree(text, file: "spec")
        let references = References(environment: [:], isAllowed: false)
        var reader = NodeReader(references: references, directory: workingDirectory)
        reader.append(tree.diagnostics)
        let start = SourceLocation(file: "spec", line: 1, column: 1)
        guard let root = tree.root, tree.diagnostics.isEmpty else {
            if tree.diagnostics.isEmpty { reader.fail(.empty, start, "", "the tunnel has no keys") }
            return (nil, reader.diagnostics)
        }
        var reading = TunnelReading(name: name, source: root.location, defaults: [])
        let declaration = reading.read(root, &reader)
        return (declaration, reader.diagnostics)
    }

    private func collector(allowsIncludes: Bool) -> ManifestCollector {
        let references = References(environment: environment)
        let reader = NodeReader(references: references, directory: workingDirectory)
        return ManifestCollector(reader, workingDirectory: workingDirectory, allowsIncludes: allowsIncludes)
    }
}
