/// Bytes and numbers as hexadecimal digits, two for each byte.
package enum Hex {
    private static let lowercase = Array("0123456789abcdef".utf8)
    private static let uppercase = Array("0123456789ABCDEF".utf8)

    /// Lower-case digits.
    package static func text(_ bytes: some Sequence<UInt8>) -> String {
        text(bytes, lowercase)
    }

    /// All digits of a number, leading zeros included: eight for a `UInt32`.
    package static func text(_ number: some FixedWidthInteger & UnsignedInteger) -> String {
        let shifts = stride(from: number.bitWidth - 8, through: 0, by: -8)
        return text(shifts.map { UInt8(truncatingIfNeeded: number >> $0) })
    }

    /// Upper-case digits, as escapes in URLs and fingerprints of certificates have them.
    package static func uppercaseText(_ bytes: some Sequence<UInt8>) -> String {
        text(bytes, uppercase)
    }

    /// The bytes that digits of either case mean; nil for anything else and for an odd count.
    package static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        let digits = text.utf8.compactMap(value)
        guard digits.count == text.utf8.count, digits.count.isMultiple(of: 2) else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// True for exactly so many lower-case digits and nothing else.
    package static func isLowercase(_ text: some StringProtocol, digits: Int) -> Bool {
        text.utf8.count == digits && text.utf8.allSatisfy(lowercase.contains)
    }

    private static func text(_ bytes: some Sequence<UInt8>, _ digits: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.underestimatedCount * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
