/// The result of reading the files.
package struct ManifestReading: Sendable {
    /// Nil when the manifest is rejected as a whole: the last good one stays in effect.
    package let manifest: Manifest?
    /// Declared tunnels that have errors, and where; they keep their last good spec.
    package let invalid: [String: SourceLocation]
    /// All of them at once, in the order of the files.
    package let diagnostics: [Diagnostic]
    /// Absolute paths of everything whose change, appearance or removal must cause another reading.
    package let watched: Set<String>
    /// The manifests that were read, as messages call them, in the order of reading.
    package let files: [String]

    /// It says that there are none, rather than naming files in which there are none now.
    package let isExplicitlyEmpty: Bool

    /// Every name that it declares, validly or not.
    package var names: Set<String> {
        Set(manifest?.tunnels.map(\.name) ?? []).union(invalid.keys)
    }

    package var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }

    /// The first error in the declaration of this tunnel.
    package func error(inTunnel name: String) -> Diagnostic? {
        let path = "tunnels." + name
        return diagnostics.first { $0.severity == .error && ($0.path == path || $0.path.hasPrefix(path + ".")) }
    }
}
