package import Config
package import FoundationEssentials

/// How far reconciling has come.
package struct ReconcileStatus: Sendable, Hashable {
    /// A manifest that changed nothing, because it could not be read.
    package struct Rejection: Sendable, Hashable {
        package let time: Date
        package let diagnostics: [Diagnostic]
    }

    /// Revision of the last manifest that was read without rejection; empty before.
    package var observedRevision = ""
    /// Revision whose plan has been applied by a pass and stored.
    package var appliedRevision = ""
    package var lastPass: Date?
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
    /// Names whose declaration is invalid and keeps its last good form (or stays absent).
    package var invalid: [String] = []
    /// Set while the store refuses writes; events wait until it takes them again.
    package var storageProblem: StateStoreError?

    /// A good manifest was read.
    mutating func accept(_ reading: ManifestReading, _ manifest: Manifest, invalid names: [String]) {
        rejection = nil
        diagnostics = reading.diagnostics
        invalid = names
        observedRevision = manifest.revision
        files = reading.files
    }

    /// A manifest could not be read.
    mutating func reject(_ diagnostics: [Diagnostic], at time: Date) {
        rejections += 1
        rejection = Rejection(time: time, diagnostics: diagnostics)
    }
}
