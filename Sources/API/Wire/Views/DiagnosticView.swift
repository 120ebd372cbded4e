package import Config

/// One thing that the reader of a manifest, spec or URL reports.
package struct DiagnosticView: WireView {
    package typealias Source = Diagnostic

    package static let name = "Diagnostic"
    package static let summary = "One problem that the reader of a manifest, spec or URL has found"
    package static let table = WireTable(DiagnosticView())

    package let severity = Field(
        "severity",
        .words(["error", "warning"], "Whether it prevents anything: an `error` does, a `warning` does not")
    ) {
        $0.severity.rawValue
    }
    package let location = Field(
        "location",
        .nullable(.text("File, line and column", example: "tunnels.yaml:3:4"))
    ) { $0.location?.description }
    package let path = Field(
        "path",
        .text("The key's path; empty for the whole document", example: "tunnels.web.pool.min")
    ) { $0.path }
    package let message = Field("message", .text("What is wrong and what to try")) { $0.message }
    package let code = Field(
        "code",
        .text("Stable, for programs", pattern: "^[a-z-]+$", example: "unknown-key")
    ) { $0.code }
    package let related = Field(
        optional: "related",
        .text("The other place the message speaks of", example: "tunnels.yaml:9:3")
    ) { $0.related?.description }

    package init() {}
}
