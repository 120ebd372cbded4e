package import Config
package import Reconciler

/// The declared layer as it was last read.
package struct ManifestView: WireView {
    package typealias Source = DeclaredLayer

    package static let name = "Manifest"
    package static let summary = "The declared layer as it was last read"
    package static let table = WireTable(ManifestView())

    package let files = Field("files", .texts("What was read")) { $0.status.files }
    package let revision = Field("revision", .revision("Revision of its content, and its `ETag`")) {
        $0.status.observedRevision
    }
    package let policy = Field("policy", .object(Policy.self)) { $0.policy }
    package let tunnels = Field("tunnels", .list(.object(DeclaredTunnel.self), "By name")) { $0.tunnels }
    package let overridden = Field(
        "overridden",
        .list(.object(PlanView.Overridden.self), "Tunnels that requests have changed")
    ) { $0.overridden }
    package let diagnostics = Field(
        "diagnostics",
        .list(.object(DiagnosticView.self), "What the reader of the manifest has found")
    ) { $0.status.diagnostics }
    package let rejection = Field("rejection", .nullable(.object(ReconcileView.Rejection.self))) {
        $0.status.rejection
    }

    package init() {}

    package struct Policy: WireView {
        package typealias Source = ManifestPolicy

        package static let name = "Policy"
        package static let summary = "What requests may do"
        package static let table = WireTable(Policy())

        package let overrides = Field(
            "overrides",
            .words(["allow", "deny"], "Whether requests may change declared tunnels")
        ) { $0.overridesAllowed ? "allow" : "deny" }
        package let overrideTTL = Field(
            "overrideTTL",
            .text("How long such a change lasts; `0s` means without limit", example: "30m0s")
        ) { GoDuration.text($0.overrideTTL) }
        package let prune = Field("prune", .flag("Whether a tunnel that leaves the manifest is deleted")) { $0.prune }

        package init() {}
    }

    package struct DeclaredTunnel: WireView {
        package typealias Source = DeclaredLayer.Tunnel

        package static let name = "DeclaredTunnel"
        package static let summary = "A tunnel as it is declared"
        package static let table = WireTable(DeclaredTunnel())

        package let name = Field("name", .text("Its name", example: "web")) { $0.name }
        package let id = Field("id", .id) { $0.id }
        package let source = Field("source", .source) { $0.source }
        package let revision = Field("revision", .revision("Revision of its declaration")) { $0.revision }
        package let valid = Field(
            "valid",
            .flag("False where its present declaration is invalid: this is its last good one")
        ) { $0.isValid }
        package let state = Field("state", .runState("What is declared")) { $0.running ? "running" : "stopped" }
        package let fields = Field("fields", .list(.object(FieldView.self), "Keys not at their default")) {
            $0.fields.map { FieldView.Source(field: $0.field, source: $0.source) }
        }

        package init() {}
    }
}
