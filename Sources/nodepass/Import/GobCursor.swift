/// Takes gob's primitives from bytes, never beyond the end of the message they stand in.
struct GobCursor {
    private let bytes: [UInt8]
    private(set) var offset = 0
    /// Where the present message ends.
    private(set) var end: Int

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        end = bytes.count
    }

    var isAtEnd: Bool { offset == end }
    var remaining: Int { end - offset }
    var isAtEndOfFile: Bool { offset == bytes.count }

    /// Begins the next message, whose length comes before it.
    mutating func enterMessage() throws(GobError) {
        let start = offset
        end = bytes.count
        let length = try count("a message", from: start)
        guard length > 0 else { throw GobError(offset: start, problem: "a message is empty") }
        end = offset + length
    }

    /// One byte below 128 is itself; else it is how many bytes follow, negated, biggest first.
    mutating func uint() throws(GobError) -> UInt64 {
        let start = offset
        let first = try byte()
        guard first >= 0x80 else { return UInt64(first) }
        let length = 0x100 - Int(first)
        guard length <= 8 else { throw GobError(offset: start, problem: "an integer has more than 8 bytes") }
        guard length <= remaining else { throw GobError(offset: start, problem: "an integer is cut short") }
        var value: UInt64 = 0
        for _ in 0..<length { value = value << 8 | UInt64(try byte()) }
        return value
    }

    /// The sign is the lowest bit, and of a negative number the other bits are inverted.
    mutating func int() throws(GobError) -> Int64 {
        let bits = try uint()
        let magnitude = Int64(bits >> 1)
        return bits & 1 == 0 ? magnitude : ~magnitude
    }

    mutating func bool() throws(GobError) -> Bool {
        let start = offset
        switch try uint() {
        case 0: return false
        case 1: return true
        default: throw GobError(offset: start, problem: "a boolean is neither 0 nor 1")
        }
    }

    /// The bytes of an IEEE 754 double, the exponent's last, as one integer: round numbers are short.
    mutating func float() throws(GobError) -> Double {
        Double(bitPattern: try uint().byteSwapped)
    }

    mutating func data(_ what: String) throws(GobError) -> [UInt8] {
        let length = try count(what, from: offset)
        defer { offset += length }
        return Array(bytes[offset..<offset + length])
    }

    mutating func text() throws(GobError) -> String {
        let start = offset
        guard let text = String(validating: try data("a text"), as: UTF8.self) else {
            throw GobError(offset: start, problem: "a text is not UTF-8")
        }
        return text
    }

    /// How many bytes or elements follow, each of at least one byte.
    mutating func count(_ what: String, from start: Int, each size: Int = 1) throws(GobError) -> Int {
        let count = try uint()
        guard count <= UInt64(remaining / size) else {
            throw GobError(offset: start, problem: "\(what) is longer than what is left of the file")
        }
        return Int(count)
    }

    private mutating func byte() throws(GobError) -> UInt8 {
        guard offset < end else { throw GobError(offset: offset, problem: "ends in the middle of a value") }
        defer { offset += 1 }
        return bytes[offset]
    }
}
