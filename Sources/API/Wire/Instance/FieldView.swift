import Config

/// One key of a tunnel with its value in words.
package struct FieldView: WireView {
    package struct Source: Sendable {
        let field: ShownField
        /// The place in a manifest that says so.
        let source: SourceLocation?
    }

    package static let name = "Field"
    package static let summary = "One key of a tunnel"
    package static let table = WireTable(FieldView())

    package let path = Field("path", .text("Its path in a manifest", example: "limits.rate")) { $0.field.path }
    package let value = Field("value", .text("As text; secrets are masked", example: "100Mbps")) { $0.field.text }
    package let changeClass = Field("class", .changeClass) { $0.field.class.rawValue }
    package let source = Field("source", .source) { $0.source }

    package init() {}
}
