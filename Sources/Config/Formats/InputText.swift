/// What editors and shells, mostly of Windows, add to a text: a byte order mark, carriage returns, a last line feed.
///
/// None of it ever becomes part of a value.
package enum InputText {
    private static let mark: Unicode.Scalar = "\u{feff}"

    /// A file's bytes as text without byte order marks: UTF-8, or UTF-16 where the mark says so; nil for anything else.
    package static func decoded(_ bytes: [UInt8]) -> String? {
        switch bytes.prefix(2) {
        case [0xff, 0xfe]: utf16(bytes) { UInt16($1) << 8 | UInt16($0) }
        case [0xfe, 0xff]: utf16(bytes) { UInt16($0) << 8 | UInt16($1) }
        default: String(validating: bytes, as: UTF8.self).map(withoutMarks)
        }
    }

    private static func utf16(_ bytes: [UInt8], _ unit: (UInt8, UInt8) -> UInt16) -> String? {
        guard bytes.count.isMultiple(of: 2) else { return nil }
        let units = stride(from: 0, to: bytes.count, by: 2).map { unit(bytes[$0], bytes[$0 + 1]) }
        return String(validating: units, as: UTF16.self).map(withoutMarks)
    }

    /// Marks are where files begin, and where one was appended to another.
    package static func withoutMarks(_ text: String) -> String {
        guard text.utf8.contains(0xef), text.unicodeScalars.contains(mark) else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.filter { $0 != mark }))
    }

    /// A value without marks, and without the line ends around it.
    package static func value(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0xef }
        if isPlain { return text }
        let scalars = withoutMarks(text).unicodeScalars
        guard let last = scalars.lastIndex(where: { !isLineEnd($0) }) else { return "" }
        return String(String.UnicodeScalarView(scalars[...last].drop(while: isLineEnd)))
    }

    private static func isLineEnd(_ scalar: Unicode.Scalar) -> Bool { scalar == "\r" || scalar == "\n" }
}

extension JSONValue {
    /// Every text in it as a value of ours.
    package var trimmingLineEnds: JSONValue {
        switch self {
        case .string(let text): .string(InputText.value(text))
        case .array(let items): .array(items.map(\.trimmingLineEnds))
        case .object(let members): .object(members.map { Member($0.name, $0.value.trimmingLineEnds) })
        default: self
        }
    }
}
