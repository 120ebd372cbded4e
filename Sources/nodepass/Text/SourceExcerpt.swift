import Config

/// Diagnostics with the line that they are about, and a caret below its column.
final class SourceExcerpt {
    /// Of standard input, which cannot be read again.
    private let input: [Substring]?
    private var files: [String: [Substring]] = [:]

    init(input: String?) {
        self.input = input.map(Self.lines)
    }

    /// The diagnostic alone where its line cannot be read; keys in the line are masked.
    func text(_ diagnostic: Diagnostic) -> String {
        // Names and values of the file are part of it.
        let description = PlainText.line(diagnostic.description)
        guard let place = diagnostic.location, let line = line(place) else { return description }
        let number = String(place.line)
        let margin = String(repeating: " ", count: number.count)
        // The column counts characters; the caret has to stand below the column of the terminal.
        let before = PlainText.line(String(line.prefix(max(0, place.column - 1))))
        let caret = String(repeating: " ", count: DisplayWidth.of(before)) + "^"
        return """
            \(description)
              \(number) | \(Self.shown(line))
              \(margin) | \(caret)
            """
    }

    private func line(_ place: SourceLocation) -> Substring? {
        let lines = input ?? file(place.file)
        return lines.indices.contains(place.line - 1) ? lines[place.line - 1] : nil
    }

    private func file(_ path: String) -> [Substring] {
        if let lines = files[path] { return lines }
        let text = try? TextFile.read(path, limitBytes: YAMLLimits().documentBytes)
        let lines = text.map(Self.lines) ?? []
        files[path] = lines
        return lines
    }

    private static func lines(_ text: String) -> [Substring] {
        text.split(omittingEmptySubsequences: false) { $0.isNewline }
    }

    private static func shown(_ line: Substring) -> String {
        let margin = line.prefix { $0 == " " }
        return margin + YAMLAdvice.shown(line)
    }
}
