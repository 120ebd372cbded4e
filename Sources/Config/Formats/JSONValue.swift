/// JSON whose objects keep the order they were built in, because clients of the API scrape text and
/// compare bytes.
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

    /// What it is, for a message to someone who expected something else.
    package var kindName: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .int, .double: "a number"
        case .string: "a text"
        case .array: "a list"
        case .object: "an object"
        }
    }

    /// An object from its members, in this order.
    package static func object(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object(members.map { Member($0.key, $0.value) })
    }

    /// Compact text, `<`, `>` and `&` escaped as Go's encoder does (`\u0026`), so that NodePass's
    /// clients see the bytes they know.
    package var compactText: String {
        text(indent: nil)
    }

    /// Two-space indented text for people; same escaping.
    package var prettyText: String {
        text(indent: "  ")
    }

    /// Written as bytes: appending to them is faster than to a text.
    private func text(indent: String?) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(JSONValue.usualBytes)
        write(to: &text, indent: indent, level: 0)
        return String(decoding: text, as: UTF8.self)
    }

    /// An event with an instance has about as many.
    private static let usualBytes = 1024

    private func write(to text: inout [UInt8], indent: String?, level: Int) {
        switch self {
        case .null: text += "null".utf8
        case .bool(let value): text += (value ? "true" : "false").utf8
        case .int(let value): text += String(value).utf8
        case .double(let value): text += (value.isFinite ? String(value) : "null").utf8
        case .string(let value): JSONValue.write(value, to: &text)
        case .array(let items):
            JSONValue.write(items, between: "[", "]", to: &text, indent: indent, level: level) { item, text in
                item.write(to: &text, indent: indent, level: level + 1)
            }
        case .object(let members):
            JSONValue.write(members, between: "{", "}", to: &text, indent: indent, level: level) { member, text in
                JSONValue.write(member.name, to: &text)
                text += (indent == nil ? ":" : ": ").utf8
                member.value.write(to: &text, indent: indent, level: level + 1)
            }
        }
    }

    private static func write<Item>(
        _ items: [Item],
        between open: String,
        _ close: String,
        to text: inout [UInt8],
        indent: String?,
        level: Int,
        writeItem: (Item, inout [UInt8]) -> Void
    ) {
        text += open.utf8
        for (index, item) in items.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            if let indent { text += ("\n" + String(repeating: indent, count: level + 1)).utf8 }
            writeItem(item, &text)
        }
        if let indent, !items.isEmpty { text += ("\n" + String(repeating: indent, count: level)).utf8 }
        text += close.utf8
    }

    private static func write(_ string: String, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        var string = string
        string.withUTF8 { bytes in
            // Nearly every byte needs no escape: runs of them are copied at once.
            var start = 0
            for index in bytes.indices where mayNeedEscape[Int(bytes[index])] {
                guard let escape = escape(at: index, in: bytes) else { continue }
                text += bytes[start..<index]
                text += escape.utf8
                start = index + (bytes[index] < 0x80 ? 1 : bytes[index] < 0xe0 ? 2 : 3)
            }
            text += bytes[start...]
        }
        text.append(UInt8(ascii: "\""))
    }

    /// Bytes that ``escape(at:in:)`` has to look at.
    private static let mayNeedEscape = (0...255).map { (byte: UInt8) in
        byte < 0x20 || [0x7f, 0xc2, 0xd8, 0xe2, 0xef].contains(byte) || "\"\\<>&".utf8.contains(byte)
    }

    /// Nil for a byte that needs no escape.
    private static func escape(at index: Int, in bytes: UnsafeBufferPointer<UInt8>) -> String? {
        switch bytes[index] {
        case UInt8(ascii: "\""): "\\\""
        case UInt8(ascii: "\\"): "\\\\"
        case UInt8(ascii: "\n"): "\\n"
        case UInt8(ascii: "\r"): "\\r"
        case UInt8(ascii: "\t"): "\\t"
        case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"), 0x00...0x1f, 0x7f:
            "\\u" + Hex.text(UInt16(bytes[index]))
        // U+0080 to U+009F control terminals as those below U+0020 do.
        case 0xc2 where bytes[index + 1] < 0xa0: "\\u" + Hex.text(UInt16(bytes[index + 1]))
        case 0xd8, 0xe2, 0xef: escape(scalar(at: index, in: bytes))
        default: nil
        }
    }

    /// Separators of lines, which JavaScript once took for the end of a text, and what turns the order of a line around.
    private static func escape(_ scalar: UInt16) -> String? {
        switch scalar {
        case 0x61c, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff: "\\u" + Hex.text(scalar)
        default: nil
        }
    }

    /// The scalar of two or three bytes that begins there.
    private static func scalar(at index: Int, in bytes: UnsafeBufferPointer<UInt8>) -> UInt16 {
        let tail = { (offset: Int) in UInt16(bytes[index + offset] & 0x3f) }
        guard bytes[index] >= 0xe0 else { return UInt16(bytes[index] & 0x1f) << 6 | tail(1) }
        return UInt16(bytes[index] & 0x0f) << 12 | tail(1) << 6 | tail(2)
    }
}

extension JSONValue {
    /// The member's value; the last one where a name is repeated, nil where it is missing or this
    /// is not an object.
    package subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name == name }?.value
    }

    package var stringValue: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    package var intValue: Int64? {
        guard case .int(let value) = self else { return nil }
        return value
    }

    package var items: [JSONValue] {
        guard case .array(let items) = self else { return [] }
        return items
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral {
    package init(stringLiteral value: String) { self = .string(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int64) { self = .int(value) }
}

extension JSONValue: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral {
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }

    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
}
