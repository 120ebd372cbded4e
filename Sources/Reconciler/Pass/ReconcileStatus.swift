package import Config
package import FoundationEssentials

/// How far reconciling has come.
package struct ReconcileStatus: Sendable {
    /// A manifest that changed nothing, because it could not be read.
    package struct Rejection: Sendable, Hashable {
        package let time: Date
        package let diagnostics: [Diagnostic]
    }

    /// A tunnel's declaration that has errors, in a manifest that can be read.
    package struct InvalidDeclaration: Sendable, Hashable {
        package let name: String
        /// The first of its errors.
        package let error: Diagnostic?
        package let since: Date
    }

    /// Revision of the last manifest that was read without rejection; empty before.
    package var observedRevision = ""
    /// Revision whose plan has been applied by a pass and stored.
    package var appliedRevision = ""
    package var lastPass: Date?
    /// The last one that changed something.
    package var lastApply: Date?
    package var passes = 0
    /// How long the last pass took.
    package var passDuration = Duration.zero
    /// The manifests of the last good reading, as messages name them.
    package var files: [String] = []
    /// Steps of all plans so far; does not grow while nothing changes.
    package var actions = 0
    /// The present rejection; nil once a good manifest was read.
    package var rejection: Rejection?
    /// Rejections since the start, for metrics.
    package var rejections = 0
    /// The diagnostics of the last good reading: warnings, and errors of invalid tunnels.
    package var diagnostics: [Diagnostic] = []
    /// Declarations that are invalid: each keeps its last good form, or stays absent.
    package private(set) var invalid: [InvalidDeclaration] = []
    /// Set while the store refuses writes; events wait until it takes them again.
    package private(set) var storage: (error: StateStoreError, since: Date)?
    package var storageProblem: StateStoreError? { storage?.error }
    package var invalidNames: [String] { invalid.map(\.name) }

    /// A good manifest was read.
    mutating func accept(_ reading: ManifestReading, _ manifest: Manifest, invalid names: [String], at time: Date) {
        rejection = nil
        diagnostics = reading.diagnostics
        let known = Dictionary(invalid.map { ($0.name, $0.since) }) { $1 }
        invalid = names.map { name in
            InvalidDeclaration(name: name, error: reading.error(inTunnel: name), since: known[name] ?? time)
        }
        observedRevision = manifest.revision
        files = reading.files
    }

    /// The store has refused a write.
    mutating func storageFailed(_ error: StateStoreError, at time: Date) {
        storage = (error, storage?.since ?? time)
    }

    mutating func storageWorks() { storage = nil }

    /// A manifest could not be read.
    mutating func reject(_ diagnostics: [Diagnostic], at time: Date) {
        rejections += 1
        rejection = Rejection(time: time, diagnostics: diagnostics)
    }
}
