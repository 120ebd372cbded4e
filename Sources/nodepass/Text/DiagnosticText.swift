import Config

/// Diagnostics of an answer as lines, in the form that `validate` prints.
enum DiagnosticText {
    static func line(_ value: JSONValue) -> String {
        Diagnostic(json: value).description
    }
}
