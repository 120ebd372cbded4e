/// How many columns of a terminal a text takes.
enum DisplayWidth {
    static func of(_ text: String) -> Int {
        guard !text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else { return text.utf8.count }
        return text.reduce(0) { $0 + width(of: $1) }
    }

    /// The text, or its beginning and an ellipsis where it is wider.
    static func shortened(_ text: String, to columns: Int) -> String {
        guard of(text) > columns else { return text }
        var (kept, used) = ("", 0)
        for character in text {
            used += width(of: character)
            guard used < columns else { break }
            kept.append(character)
        }
        return kept + "…"
    }

    /// That of its widest scalar: the others combine with it.
    private static func width(of character: Character) -> Int {
        character.unicodeScalars.reduce(0) { max($0, width(of: $1)) }
    }

    private static func width(of scalar: Unicode.Scalar) -> Int {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control: 0
        default: wide.contains { $0.contains(scalar.value) } ? 2 : 1
        }
    }

    /// What East Asian scripts and emoji take two columns for (UAX #11, W and F).
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf, 0x4e00...0x9fff, 0xa000...0xa4cf,
        0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6,
        0x1f300...0x1f64f, 0x1f680...0x1f6ff, 0x1f900...0x1f9ff, 0x1fa70...0x1faff, 0x20000...0x3fffd,
    ]

    /// Keeps a text that is written from right to left from turning the columns beside it.
    static func isolated(_ text: String) -> String {
        let turns = text.unicodeScalars.contains { scalar in rightToLeft.contains { $0.contains(scalar.value) } }
        return turns ? "\u{2068}\(text)\u{2069}" : text
    }

    private static let rightToLeft: [ClosedRange<UInt32>] = [
        0x590...0x8ff, 0xfb1d...0xfdff, 0xfe70...0xfeff, 0x10800...0x10fff, 0x1e800...0x1efff,
    ]
}
