/// JSON values as block YAML, for people; strings are quoted where YAML could read them as
/// something else.
package enum YAMLText {
    package static func document(_ value: JSONValue) -> String {
        block(value, indent: 0) + "\n"
    }

    /// The value's lines, each with this margin; without a line end after the last.
    package static func block(_ value: JSONValue, indent: Int) -> String {
        let margin = String(repeating: " ", count: indent)
        switch value {
        case .object(let members) where !members.isEmpty:
            return members.map { member in
                margin + scalar(.string(member.name)) + ":" + nested(member.value, indent: indent)
            }.joined(separator: "\n")
        case .array(let items) where !items.isEmpty:
            return items.map { item in
                let text = block(item, indent: indent + 2)
                return margin + "- " + text.dropFirst(isNested(item) ? indent + 2 : 0)
            }.joined(separator: "\n")
        default:
            return scalar(value)
        }
    }

    private static func nested(_ value: JSONValue, indent: Int) -> String {
        isNested(value) ? "\n" + block(value, indent: indent + 2) : " " + scalar(value)
    }

    private static func isNested(_ value: JSONValue) -> Bool {
        switch value {
        case .object(let members): !members.isEmpty
        case .array(let items): !items.isEmpty
        default: false
        }
    }

    private static func scalar(_ value: JSONValue) -> String {
        guard case .string(let text) = value else { return value.compactText }
        return isPlain(text) ? text : quoted(text)
    }

    private static func quoted(_ text: String) -> String {
        let escaped = text.unicodeScalars.map { scalar in
            switch scalar {
            case "\"": "\\\""
            case "\\": "\\\\"
            case " "..."~": String(scalar)
            case "\u{a1}"..."\u{d7ff}" where PlainText.isPlain(scalar): String(scalar)
            default: "\\U" + Hex.text(scalar.value)
            }
        }
        return "\"" + escaped.joined() + "\""
    }

    /// Safe without quotes for every reader of YAML: a word, a path or an address, but not one of
    /// YAML's own words, an IPv4 address, or a number with a unit.
    private static func isPlain(_ text: String) -> Bool {
        let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        guard let first = text.utf8.first, !words.contains(text.lowercased()), !text.hasSuffix(":") else {
            return false
        }
        let isSafe = text.utf8.allSatisfy { isLetter($0) || isDigit($0) || "_-./:".utf8.contains($0) }
        return isSafe && (isLetter(first) || isAddress(text) || isQuantity(text))
    }

    private static func isAddress(_ text: String) -> Bool {
        let isNumeric = text.utf8.allSatisfy { isDigit($0) || ".:/".utf8.contains($0) }
        return isNumeric && text.utf8.count { $0 == UInt8(ascii: ".") } == 3
    }

    /// `30s`, `1h30m`, `100Mbps`.
    private static func isQuantity(_ text: String) -> Bool {
        var rest = text.utf8[...]
        while let first = rest.first {
            guard isDigit(first) else { return false }
            rest = rest.drop(while: isDigit)
            let unit = String(decoding: rest.prefix(while: isLetter), as: UTF8.self)
            guard ["ms", "s", "m", "h", "Mbps", "Gbps"].contains(unit) else { return false }
            rest = rest.drop(while: isLetter)
        }
        return !text.isEmpty
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (65...90).contains(byte) || (97...122).contains(byte) }

    private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
}
