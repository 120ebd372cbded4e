/// The query of a URL as an ordered list, escaped as Go's `net/url` does it.
struct URLQuery {
    private(set) var parameters: [QueryParameter]

    /// Reads `a=1&b=2`; what is not a valid escape is taken literally.
    init(_ text: some StringProtocol) {
        parameters = Substring(text).split(separator: "&").map { part in
            let equals = part.firstIndex(of: "=")
            let name: Substring = equals.map { part[..<$0] } ?? part
            let value: Substring = equals.map { part[part.index(after: $0)...] } ?? ""
            return QueryParameter(name: URLQuery.decoded(name), value: URLQuery.decoded(value))
        }
    }

    init(_ parameters: [QueryParameter]) {
        self.parameters = parameters
    }

    /// The first value of a parameter, nil when there is none or it is empty.
    func value(_ name: String) -> String? {
        guard let first = parameters.first(where: { $0.name == name }), !first.value.isEmpty else { return nil }
        return first.value
    }

    func contains(_ name: String) -> Bool {
        parameters.contains { $0.name == name }
    }

    /// Replaces every value of a parameter by one.
    mutating func set(_ parameter: QueryParameter) {
        parameters.removeAll { $0.name == parameter.name }
        parameters.append(parameter)
    }

    /// Sorted by name, equal names in the order given: what Go's `Values.Encode` writes.
    var sortedText: String {
        let order = parameters.indices.sorted { a, b in
            let (first, second) = (parameters[a].name, parameters[b].name)
            return first == second ? a < b : first.utf8.lexicographicallyPrecedes(second.utf8)
        }
        return order.map { URLQuery.text(parameters[$0]) }.joined(separator: "&")
    }

    static func text(_ parameter: QueryParameter) -> String {
        escaped(parameter.name) + "=" + escaped(parameter.value)
    }

    private static func escaped(_ text: String) -> String {
        PercentCoding.encode(text, keeping: "-_.~", blank: "+")
    }

    private static func decoded(_ text: Substring) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else {
            return String(text)
        }
        let spaced = String(text).replacing("+", with: " ")
        return PercentCoding.decode(spaced) ?? spaced
    }
}

/// `%XX` escapes.
package enum PercentCoding {
    /// Escapes all bytes but letters, digits and the given ones; `blank` stands for a blank.
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
                result += byte < 16 ? "%0" : "%"
                result += String(byte, radix: 16, uppercase: true)
            }
        }
    }

    /// Nil when an escape is broken or the bytes are not UTF-8.
    static func decode(_ text: some StringProtocol) -> String? {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        var bytes: [UInt8] = []
        var rest = Substring(String(text)).utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.count == 2, digits.allSatisfy(\.isHexDigit), let value = UInt8(digits, radix: 16) else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
