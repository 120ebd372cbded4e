import Config

/// The body of a refusal.
///
/// Clients read `error` (NodePass) or `message` (the Apple app, NodePanel): both carry the text.
package struct ErrorView: WireView {
    package typealias Source = APIError

    package static let name = "Error"
    package static let summary = "A refusal"
    package static let table = WireTable(ErrorView())

    package let error = Field("error", .text("What is wrong; NodePass's text where it has one")) { $0.text }
    package let message = Field("message", .text("The same")) { $0.text }
    package let code = Field(
        "code",
        .text("Stable, for programs", pattern: "^[a-zA-Z-]+$", example: "not-found")
    ) { $0.code }
    package let source = Field(
        optional: "source",
        .text("The line that owns a declared tunnel", pattern: ":[0-9]+$")
    ) { $0.source?.fileAndLine }
    package let details = Field(
        optional: "details",
        .list(.object(DiagnosticView.self), "What exactly is wrong with a URL, a spec or a manifest")
    ) { $0.details.isEmpty ? nil : $0.details }

    package init() {}
}
