/// Why a text is not a value of the wanted kind; worded to follow the key's path.
package struct ValueProblem: Error, Hashable {
    package let code: DiagnosticCode
    package let message: String

    package init(_ message: String, code: DiagnosticCode = .badValue) {
        self.code = code
        self.message = message
    }
}

extension ValueProblem {
    /// Names the words a key takes, and the one that was probably meant.
    static func notOne(_ text: String, of names: [String]) -> String {
        let advice = EditDistance.nearest(to: text, among: names).map { " (did you mean '\($0)'?)" } ?? ""
        return "'\(text)' is not one of \(names.joined(separator: ", "))\(advice)"
    }
}
