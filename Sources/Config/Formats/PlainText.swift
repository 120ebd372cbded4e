/// Text of foreign origin, made fit for a log, a status or a terminal.
package enum PlainText {
    /// The text on one line, without what could begin a line of its own, control a terminal, or turn its order around.
    package static func line(_ text: String) -> String {
        guard text.utf8.contains(where: { !(0x20...0x7e).contains($0) }) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.compactMap(shown)))
    }

    /// The same for a text that has lines.
    package static func lines(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line(String($0)) }.joined(separator: "\n")
    }

    /// Whether a character may stand in a line as it is.
    static func isPlain(_ scalar: Unicode.Scalar) -> Bool { shown(scalar) == scalar }

    /// Blanks for what separates words; nil for the rest of what is not shown.
    private static func shown(_ scalar: Unicode.Scalar) -> Unicode.Scalar? {
        switch scalar {
        case "\n", "\r", "\t", "\u{2028}", "\u{2029}": " "
        case "\u{61c}", "\u{200e}", "\u{200f}", "\u{202a}"..."\u{202e}", "\u{2066}"..."\u{2069}", "\u{feff}": nil
        default: scalar.properties.generalCategory == .control ? nil : scalar
        }
    }
}
