/// Reads manifests into checked values: the same code for the daemon, `plan`, `validate` and the
/// API.
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
        mayBindPrivilegedPorts: Bool = PrivilegedPorts.areAllowed
    ) {
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.mayBindPrivilegedPorts = mayBindPrivilegedPorts
    }

    /// Reads files and directories of `*.yaml` and `*.yml`; several merge as if one included the
    /// others.
    ///
    /// `keepsReferences`: they stay texts, for a machine that does not have what they name.
    package func read(paths: [String], keepsReferences: Bool = false) -> ManifestReading {
        var collector = collector(allowsIncludes: true, policy: keepsReferences ? .keep : .resolve)
        for path in paths { collector.readRoot(TextFile.absolute(path, from: workingDirectory), shownAs: path) }
        if paths.isEmpty { collector.reject(.empty, nil, "", "no manifest is given") }
        return collector.reading(mayBindPrivilegedPorts: mayBindPrivilegedPorts)
    }

    /// Reads one manifest from a text; `file` names it in messages, and relative paths start at its
    /// directory.
    package func read(
        text: String,
        file: String,
        allowsIncludes: Bool = true,
        keepsReferences: Bool = false
    ) -> ManifestReading {
        var collector = collector(allowsIncludes: allowsIncludes, policy: keepsReferences ? .keep : .resolve)
        collector.readText(text, path: TextFile.absolute(file, from: workingDirectory), shownAs: file)
        return collector.reading(mayBindPrivilegedPorts: mayBindPrivilegedPorts)
    }

    /// Reads the keys of a single tunnel from a request; references are refused there.
    ///
    /// `name` is how messages call the tunnel: they name the path below it, since JSON has no
    /// lines.
    package func readTunnel(
        _ keys: JSONValue,
        name: String
    ) -> (declaration: TunnelDeclaration?, diagnostics: [Diagnostic]) {
        let start = SourceLocation(file: name, line: 1, column: 1)
        let root = DocumentNode(keys, at: start)
        let references = References(environment: [:], policy: .refuse)
        var reader = NodeReader(references: references, directory: workingDirectory, showsPlaces: false)
        reader.append(root.repeatedKeys(below: name).map { .repeatedKey($0.key, at: nil, path: $0.path, first: nil) })
        let isUnique = reader.diagnostics.isEmpty
        reader.prefix = name
        var reading = TunnelReading(name: name, source: start, defaults: [])
        let declaration = reading.read(root, &reader)
        return (isUnique ? declaration : nil, reader.diagnostics)
    }

    /// Reads a text from another machine: its references stay texts, and take the values of the declarations
    /// they are compared with where these have the same reference.
    package func read(text: String, file: String, comparedWith known: [String: TunnelDeclaration]) -> ManifestReading {
        var collector = collector(allowsIncludes: false, policy: .keep, known: known)
        collector.readText(text, path: TextFile.absolute(file, from: workingDirectory), shownAs: file)
        return collector.reading(mayBindPrivilegedPorts: mayBindPrivilegedPorts)
    }

    /// Several texts from another machine, which merge as files do.
    package func read(
        texts: [(name: String, text: String)],
        comparedWith known: [String: TunnelDeclaration]
    ) -> ManifestReading {
        var collector = collector(allowsIncludes: false, policy: .keep, known: known)
        for (name, text) in texts {
            collector.readText(text, path: TextFile.absolute(name, from: workingDirectory), shownAs: name)
        }
        return collector.reading(mayBindPrivilegedPorts: mayBindPrivilegedPorts)
    }

    private func collector(
        allowsIncludes: Bool,
        policy: References.Policy = .resolve,
        known: [String: TunnelDeclaration] = [:]
    ) -> ManifestCollector {
        let references = References(environment: environment, policy: policy)
        let reader = NodeReader(references: references, directory: workingDirectory)
        return ManifestCollector(
            reader,
            workingDirectory: workingDirectory,
            allowsIncludes: allowsIncludes,
            known: known
        )
    }
}
