import API

/// Diagnostics of an answer as lines, in the form that `validate` prints.
enum DiagnosticText {
    static func line(_ diagnostic: WireObject<DiagnosticView>) -> String {
        let place = diagnostic.location.map { $0 + ": " } ?? ""
        let subject = diagnostic.path.isEmpty ? "" : diagnostic.path + ": "
        return "\(place)\(diagnostic.severity): \(subject)\(diagnostic.message) [\(diagnostic.code)]"
    }
}
