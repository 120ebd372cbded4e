/// Reads the first JSON value of a text and ignores what follows it, as NodePass does.
package struct JSONParser {
    /// Where and why a text is not JSON.
    package struct Failure: Error, Hashable {
        package let offset: Int
        package let problem: String
    }

    /// How deep a value may be nested: the deepest we read, a tunnel in a request, has five levels.
    package static let depthLimit = 32

    private let bytes: [UInt8]
    private var index = 0

    private init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    package static func parse(_ bytes: [UInt8]) throws(Failure) -> JSONValue {
        var parser = JSONParser(bytes)
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { parser.index = 3 }
        return try parser.value(depth: 0)
    }

    private mutating func value(depth: Int) throws(Failure) -> JSONValue {
        guard depth < Self.depthLimit else { throw failure("nested too deeply") }
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case .some: return try number()
        case nil: throw failure("unexpected end")
        }
    }

    private mutating func object(depth: Int) throws(Failure) -> JSONValue {
        var members: [JSONValue.Member] = []
        index += 1
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw failure("expected a member's name") }
            let name = try string()
            guard take(":") else { throw failure("expected ':'") }
            members.append(JSONValue.Member(name, try value(depth: depth + 1)))
        } while take(",")
        guard take("}") else { throw failure("expected ',' or '}'") }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(Failure) -> JSONValue {
        var items: [JSONValue] = []
        index += 1
        if take("]") { return .array(items) }
        repeat {
            items.append(try value(depth: depth + 1))
        } while take(",")
        guard take("]") else { throw failure("expected ',' or ']'") }
        return .array(items)
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws(Failure) -> JSONValue {
        let expected = text.withUTF8Buffer(Array.init)
        guard bytes[index...].starts(with: expected) else { throw failure("unknown word") }
        index += expected.count
        return value
    }

    private mutating func number() throws(Failure) -> JSONValue {
        let start = index
        while let byte = peek, "+-.eE0123456789".utf8.contains(byte) { index += 1 }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        let digits = text.drop { $0 == "-" }
        guard digits.first?.isNumber == true, digits.last?.isNumber == true else { throw failure("not a JSON value") }
        guard !digits.hasPrefix("0") || digits.dropFirst().first?.isNumber != true else {
            throw failure("a number that begins with 0")
        }
        if let whole = Int64(text) { return .int(whole) }
        guard let value = Double(text), value.isFinite else { throw failure("not a number") }
        return .double(value)
    }

    private mutating func string() throws(Failure) -> String {
        index += 1
        var text: [UInt8] = []
        while let byte = peek {
            index += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let valid = String(validating: text, as: UTF8.self) else { throw failure("not UTF-8") }
                return valid
            case UInt8(ascii: "\\"): text += try escape()
            case ..<0x20: throw failure("control character in a string")
            default: text.append(byte)
            }
        }
        throw failure("a string that does not end")
    }

    private mutating func escape() throws(Failure) -> [UInt8] {
        guard let byte = peek else { throw failure("unexpected end") }
        index += 1
        switch byte {
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "u"): return Array(String(Character(try unicodeEscape())).utf8)
        default: throw failure("unknown escape")
        }
    }

    /// A lone surrogate becomes U+FFFD, as in Go's decoder.
    private mutating func unicodeEscape() throws(Failure) -> Unicode.Scalar {
        let unit = try hexUnit()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        guard UTF16.isLeadSurrogate(unit), bytes[index...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) else {
            return "\u{fffd}"
        }
        let mark = index
        index += 2
        let second = try hexUnit()
        guard UTF16.isTrailSurrogate(second) else {
            index = mark
            return "\u{fffd}"
        }
        return Unicode.Scalar(0x10000 + (UInt32(unit & 0x3ff) << 10) + UInt32(second & 0x3ff)) ?? "\u{fffd}"
    }

    private mutating func hexUnit() throws(Failure) -> UInt16 {
        guard index + 4 <= bytes.count else { throw failure("unexpected end") }
        let digits = String(decoding: bytes[index..<index + 4], as: UTF8.self)
        guard let pair = Hex.bytes(digits) else { throw failure("not four hex digits") }
        index += 4
        return UInt16(pair[0]) << 8 | UInt16(pair[1])
    }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { index += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard peek == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private func failure(_ problem: String) -> Failure {
        Failure(offset: index, problem: problem)
    }
}
