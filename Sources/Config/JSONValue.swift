/// JSON whose objects keep the order they were built in, because clients of the API scrape text and compare bytes.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object([Member])

    package struct Member: Sendable, Hashable {
        package let name: String
        package let value: JSONValue

        package init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// An object from its members, in this order.
    package static func object(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(members.map { Member($0.key, $0.value) })
    }

    /// Compact text, `<`, `>` and `&` escaped as Go's encoder does (`\u0026`), so that NodePass's clients see the bytes
    /// they know.
    package var compactText: String {
        var text = ""
        write(to: &text, indent: nil, level: 0)
        return text
    }

    /// Two-space indented text for people; same escaping.
    package var prettyText: String {
        var text = ""
        write(to: &text, indent: "  ", level: 0)
        return text
    }

    private func write(to text: inout String, indent: String?, level: Int) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .int(let value): text += String(value)
        case .double(let value): text += value.isFinite ? String(value) : "null"
        case .string(let value): JSONValue.write(value, to: &text)
        case .array(let items):
            JSONValue.write(items, between: "[", "]", to: &text, indent: indent, level: level) { item, text in
                item.write(to: &text, indent: indent, level: level + 1)
            }
        case .object(let members):
            JSONValue.write(members, between: "{", "}", to: &text, indent: indent, level: level) { member, text in
                JSONValue.write(member.name, to: &text)
                text += indent == nil ? ":" : ": "
                member.value.write(to: &text, indent: indent, level: level + 1)
            }
        }
    }

    private static func write<Item>(
        _ items: [Item],
        between open: String,
        _ close: String,
        to text: inout String,
        indent: String?,
        level: Int,
        writeItem: (Item, inout String) -> Void
    ) {
        text += open
        for (index, item) in items.enumerated() {
            if index > 0 { text += "," }
            if let indent { text += "\n" + String(repeating: indent, count: level + 1) }
            writeItem(item, &text)
        }
        if let indent, !items.isEmpty { text += "\n" + String(repeating: indent, count: level) }
        text += close
    }

    private static func write(_ string: String, to text: inout String) {
        text += "\""
        var rest = string[...]
        // What stands for itself, which is nearly everything, is taken in one piece.
        while let place = rest.utf8.firstIndex(where: mayNeedEscape) {
            text += rest[..<place]
            text += escaped(rest.unicodeScalars[place])
            rest = rest[rest.unicodeScalars.index(after: place)...]
        }
        text += rest
        text += "\""
    }

    /// 0xE2 begins U+2028 and U+2029, among others.
    private static func mayNeedEscape(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x00...0x1f, 0x7f, 0xe2: true
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"): true
        default: false
        }
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\"": return "\\\""
        case "\\": return "\\\\"
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        case "<", ">", "&", "\u{2028}", "\u{2029}", "\u{0}"..."\u{1f}", "\u{7f}":
            let hex = String(scalar.value, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        default: return String(scalar)
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral {
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int64) { self = .int(value) }
}
