import API
import Config

/// Diagnostics of an answer as lines, in the form that `validate` prints.
enum DiagnosticText {
    static func line(_ diagnostic: WireObject<DiagnosticView>) -> String {
        PlainText.line(Diagnostic(json: diagnostic.json).description)
    }
}
