import Config

/// JSON values as block YAML, for people; strings are quoted wherever YAML could read them as something else.
enum YAMLText {
    static func document(_ value: JSONValue) -> String {
        block(value, indent: 0) + "\n"
    }

    private static func block(_ value: JSONValue, indent: Int) -> String {
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
        guard case .string(let text) = value, isPlain(text) else { return value.compactText }
        return text
    }

    /// Safe without quotes: letters first, then nothing that YAML gives a meaning to, and none of its words.
    private static func isPlain(_ text: String) -> Bool {
        let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        guard let first = text.first, first.isLetter, !words.contains(text.lowercased()) else { return false }
        return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-./".contains($0)) }
    }
}
