/// Lets a text have what YAML reads otherwise though nobody means it: `${env:N}` in a flow mapping, IPv6 addresses and
/// networks without quotes, and `:8080`.
///
/// Before the parser sees the text, the characters of these that mean something to YAML are replaced by others of the
/// same number, so that lines and columns stay; in what the parser gives back they return.
struct YAMLMask {
    /// Characters of Unicode's private use area, which YAML allows and nobody types.
    private static let masks: [(Unicode.Scalar, Unicode.Scalar)] = Array(
        zip("{}[],:#".unicodeScalars, (0xf8f0...0xf8f6).compactMap { Unicode.Scalar($0) })
    )
    private static let masked = Dictionary(uniqueKeysWithValues: masks)
    private static let unmasked = Dictionary(uniqueKeysWithValues: masks.map { ($0.1, $0.0) })

    /// What the parser reads.
    let text: String
    private let isUsed: Bool

    init(_ text: String) {
        guard Self.mayOccur(in: text), !text.unicodeScalars.contains(where: Self.isMask) else {
            self.text = text
            isUsed = false
            return
        }
        var scalars = Array(text.unicodeScalars)
        var isUsed = false
        var index = 0
        while index < scalars.count {
            if let end = Self.reference(at: index, in: scalars) ?? Self.address(at: index, in: scalars)
                ?? Self.port(at: index, in: scalars) ?? Self.network(at: index, in: scalars)
            {
                for place in index..<end { scalars[place] = Self.masked[scalars[place]] ?? scalars[place] }
                isUsed = true
                index = end
            } else {
                index += 1
            }
        }
        self.isUsed = isUsed
        self.text = isUsed ? String(String.UnicodeScalarView(scalars)) : text
    }

    /// By bytes, because it runs over every manifest: a reference, or a colon that no key ends with.
    private static func mayOccur(in text: String) -> Bool {
        var previous = UInt8(ascii: " ")
        for byte in text.utf8 {
            if byte == UInt8(ascii: "$") { return true }
            if byte == UInt8(ascii: ":"), " \t:[],".utf8.contains(previous) { return true }
            previous = byte
        }
        return false
    }

    private static func isMask(_ scalar: Unicode.Scalar) -> Bool { (0xf8f0...0xf8f6).contains(scalar.value) }

    /// A scalar as the text has it.
    func original(_ scalar: String) -> String {
        guard isUsed, scalar.unicodeScalars.contains(where: Self.isMask) else { return scalar }
        return String(String.UnicodeScalarView(scalar.unicodeScalars.map { Self.unmasked[$0] ?? $0 }))
    }

    /// The end of a `${env:…}` or `${file:…}` that begins here.
    private static func reference(at start: Int, in text: [Unicode.Scalar]) -> Int? {
        guard text[start] == "$", start + 1 < text.count, text[start + 1] == "{" else { return nil }
        let rest = text[(start + 2)...]
        guard rest.starts(with: "env:".unicodeScalars) || rest.starts(with: "file:".unicodeScalars) else { return nil }
        for index in rest.indices {
            switch text[index] {
            case "}": return index + 1
            case "\n", "\r", "{", "\"", "'": return nil
            case ",", ":":
                // A reference that was not closed: the next key of a flow mapping follows.
                if index + 1 < text.count, text[index + 1] == " " { return nil }
            default: break
            }
        }
        return nil
    }

    /// The end of a `[::1]:8080` that begins here, where a value or a part of a URL may begin.
    private static func address(at start: Int, in text: [Unicode.Scalar]) -> Int? {
        guard text[start] == "[" else { return nil }
        if start > 0, !" \t\n\r,[{/@".unicodeScalars.contains(text[start - 1]) { return nil }
        guard let close = text[start...].prefix(64).firstIndex(of: "]"), close + 2 < text.count else { return nil }
        let host = text[(start + 1)..<close]
        let isHost = host.count { $0 == ":" } >= 2 && host.allSatisfy { $0 == ":" || $0 == "." || isHexDigit($0) }
        guard isHost, text[close + 1] == ":" else { return nil }
        let port = text[(close + 2)...].prefix { ("0"..."9").contains($0) }
        return port.isEmpty ? nil : port.endIndex
    }

    /// The end of a `:8080` that begins here and is a value of its own.
    private static func port(at start: Int, in text: [Unicode.Scalar]) -> Int? {
        guard text[start] == ":", start > 0, " \t[,".unicodeScalars.contains(text[start - 1]) else { return nil }
        let port = text[(start + 1)...].prefix { ("0"..."9").contains($0) }
        let isWhole = port.endIndex == text.count || " \t\r\n,]}".unicodeScalars.contains(text[port.endIndex])
        return !port.isEmpty && isWhole ? port.endIndex : nil
    }

    /// The end of a `::1/128` that begins here: an IPv6 address or network as an item of a list or a value.
    private static func network(at start: Int, in text: [Unicode.Scalar]) -> Int? {
        guard text[start] == ":" || isHexDigit(text[start]), start > 0 else { return nil }
        guard " \t[,".unicodeScalars.contains(text[start - 1]) else { return nil }
        let address = text[start...].prefix(64).prefix { $0 == ":" || $0 == "." || isHexDigit($0) }
        let hasGap = zip(address, address.dropFirst()).contains { $0 == ":" && $1 == ":" }
        // What ends with one colon is a key.
        guard hasGap, address.suffix(2).first == ":" || address.last != ":" else { return nil }
        var end = address.endIndex
        if end < text.count, text[end] == "/" {
            end = text[(end + 1)...].prefix { ("0"..."9").contains($0) }.endIndex
        }
        return end == text.count || " \t\r\n,]}".unicodeScalars.contains(text[end]) ? end : nil
    }

    private static func isHexDigit(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isASCIIHexDigit
    }
}
