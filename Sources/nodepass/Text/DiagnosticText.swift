import API
import Config

/// Diagnostics of an answer as lines, in the form that `validate` prints.
enum DiagnosticText {
    static func line(_ value: JSONValue) -> String {
        func word(_ name: String) -> String { value[name]?.stringValue ?? "" }
        let place = word("location").isEmpty ? "" : word("location") + ": "
        let subject = word("path").isEmpty ? "" : word("path") + ": "
        return "\(place)\(word("severity")): \(subject)\(word("message")) [\(word("code"))]"
    }
}
