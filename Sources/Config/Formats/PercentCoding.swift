/// `%XX` escapes.
package enum PercentCoding {
    /// Escapes all bytes but letters, digits and the given ones; a blank becomes `blank`.
    package static func encode(_ text: String, keeping kept: String, blank: String = "%20") -> String {
        let kept = kept.utf8
        func isPlain(_ byte: UInt8) -> Bool {
            switch byte {
            case 48...57, 65...90, 97...122: true
            default: kept.contains(byte)
            }
        }
        guard !text.utf8.allSatisfy(isPlain) else { return text }
        return text.utf8.reduce(into: "") { result, byte in
            if isPlain(byte) {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else if byte == UInt8(ascii: " ") {
                result += blank
            } else {
                result += "%" + Hex.uppercaseText(CollectionOfOne(byte))
            }
        }
    }

    /// Nil when an escape is broken or the bytes are not UTF-8.
    package static func decode(_ text: some StringProtocol) -> String? {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        guard let bytes = bytes(of: text, keepsBroken: false) else { return nil }
        return String(validating: bytes, as: UTF8.self)
    }

    /// A text in which what is not an escape stays as it is, as browsers and NodePass read them.
    package static func decodeLeniently(_ text: some StringProtocol) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        return String(decoding: bytes(of: text, keepsBroken: true) ?? [], as: UTF8.self)
    }

    /// As `decodeLeniently`, for a name or a value of a form or query: `+` is a blank.
    package static func decodeForm(_ text: some StringProtocol) -> String {
        guard text.utf8.contains(UInt8(ascii: "+")) else { return decodeLeniently(text) }
        return decodeLeniently(String(text).replacing("+", with: " "))
    }

    private static func bytes(of text: some StringProtocol, keepsBroken: Bool) -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = Substring(text).utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            if digits.count == 2, let escaped = Hex.bytes(Substring(digits)) {
                bytes += escaped
                rest = rest.dropFirst(2)
            } else if keepsBroken {
                bytes.append(byte)
            } else {
                return nil
            }
        }
        return bytes
    }
}
