package import Config

/// What the dry run of a creation or a replacement adds.
package struct DryRunKeys: WireView {
    package typealias Source = [Diagnostic]

    package static let name = "InstanceFindings"
    package static let summary = "What only the dry run of a creation or replacement adds"
    package static let table = WireTable(DryRunKeys())

    package let diagnostics = Field(
        "diagnostics",
        .list(
            .object(DiagnosticView.self),
            "What the tunnel would run into (`error`), and what is probably not meant (`warning`)"
        )
    ) { $0 }

    package init() {}
}
