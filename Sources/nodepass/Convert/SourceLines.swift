import Config

/// Lines of a text, with their places, for formats that have a statement a line.
struct SourceLines {
    struct Line {
        let words: [String]
        let text: String
        let location: SourceLocation
    }

    /// A line is longer than this only by mistake.
    private static let lineLimit = 64 * 1024

    /// Lines with words; `comment` begins what is left out, and quotes keep blanks together.
    static func read(_ text: String, file: String, comment: Character) throws(ConversionProblem) -> [Line] {
        var lines: [Line] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let place = SourceLocation(file: file, line: index + 1, column: 1)
            guard line.utf8.count <= lineLimit else { throw ConversionProblem(place, "the line is too long") }
            let words = try ShellWords.split(line, comment: comment, at: place)
            if !words.isEmpty { lines.append(Line(words: words, text: String(line), location: place)) }
        }
        return lines
    }
}

/// Words as a shell splits them: blanks, single and double quotes, and `\` before a character.
enum ShellWords {
    static func split(
        _ text: some StringProtocol,
        comment: Character? = nil,
        at place: SourceLocation
    ) throws(ConversionProblem) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var isEscaped = false
        for character in text {
            if isEscaped {
                word = (word ?? "") + String(character)
                isEscaped = false
            } else if character == "\\", quote != "'" {
                isEscaped = true
            } else if let open = quote {
                if character == open { quote = nil } else { word = (word ?? "") + String(character) }
            } else if character == "\"" || character == "'" {
                quote = character
                word = word ?? ""
            } else if character.isWhitespace {
                if let done = word { words.append(done) }
                word = nil
            } else if let comment, character == comment, word == nil {
                break
            } else {
                word = (word ?? "") + String(character)
            }
        }
        guard quote == nil, !isEscaped else { throw ConversionProblem(place, "a quote does not end") }
        if let done = word { words.append(done) }
        return words
    }
}
