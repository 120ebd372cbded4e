@_spi(_Unicode) import Swift

/// Turns host names that are not ASCII into the form that name servers know: `bücher.example` is
/// `xn--bcher-kva.example` there (IDNA).
///
/// Follows UTS #46 (non-transitional) for letters, marks, digits and symbols. A name whose
/// characters have other compatible forms, such as `ﬁ` or `①`, is rejected instead of guessed.
package enum HostName {
    /// Why a name has no such form, in words for a message.
    package struct Problem: Error, Hashable {
        package let message: String
    }

    /// What DNS allows (RFC 1035 §2.3.4).
    private static let labelLimitBytes = 63
    private static let nameLimitBytes = 253

    /// The name in ASCII; a name that is ASCII already comes back as it is.
    package static func ascii(_ name: String) throws(Problem) -> String {
        if name.utf8.allSatisfy({ $0 < 0x80 }) { return name }
        let mapped = try mapped(name)
        var labels: [String] = []
        for label in mapped.split(separator: ".", omittingEmptySubsequences: false) {
            labels.append(try ascii(label: label, of: name))
        }
        let ascii = labels.joined(separator: ".")
        let isTooLong = ascii.utf8.count - (ascii.hasSuffix(".") ? 1 : 0) > nameLimitBytes
        guard !isTooLong else { throw Problem(message: "'\(name)' is too long for a host name") }
        return ascii
    }

    private static func ascii(
        label: Substring.UnicodeScalarView.SubSequence,
        of name: String
    ) throws(Problem) -> String {
        let text = String(String.UnicodeScalarView(label))
        if let first = label.first, isMark(first) {
            throw Problem(message: "'\(name)' is not a host name: '\(text)' begins with a combining mark")
        }
        let isASCII = label.allSatisfy(\.isASCII)
        guard let encoded = isASCII ? text : Punycode.encode(label).map({ "xn--" + $0 }),
            encoded.utf8.count <= labelLimitBytes
        else { throw Problem(message: "'\(name)' is not a host name: '\(text)' is too long") }
        return encoded
    }

    /// Lower case, canonically composed, with one kind of dot.
    private static func mapped(_ name: String) throws(Problem) -> Substring.UnicodeScalarView {
        var mapped = ""
        for scalar in name.unicodeScalars {
            switch scalar.value {
            case 0x3002, 0xff0e, 0xff61: mapped.append(".")
            // The wide forms of ASCII.
            case 0xff01...0xff5e:
                let narrow = Unicode.Scalar(UInt8(scalar.value - 0xfee0))
                mapped += narrow.properties.lowercaseMapping
            // Soft hyphen and variation selectors, which cannot be seen.
            case 0xad, 0xfe00...0xfe0f: break
            default: mapped += scalar.properties.lowercaseMapping
            }
        }
        var composed = String.UnicodeScalarView()
        for scalar in mapped._nfc {
            guard mayStand(scalar) else {
                let shown = "U+" + String(scalar.value, radix: 16, uppercase: true)
                throw Problem(
                    message: "'\(name)' is not a host name because of '\(scalar)' (\(shown)); write its xn-- form"
                )
            }
            composed.append(scalar)
        }
        return Substring(String(composed)).unicodeScalars
    }

    private static func mayStand(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return Endpoint.mayStandInHost(UInt8(scalar.value)) }
        // Both fold to something else, but are letters of their own in today's names.
        if scalar == "ß" || scalar == "ς" { return true }
        if scalar.properties.changesWhenNFKCCaseFolded { return false }
        return switch scalar.properties.generalCategory {
        case .lowercaseLetter, .otherLetter, .modifierLetter, .nonspacingMark, .spacingMark, .decimalNumber,
            .otherSymbol:
            true
        default: false
        }
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        [.nonspacingMark, .spacingMark, .enclosingMark].contains(scalar.properties.generalCategory)
    }
}

extension Endpoint {
    /// The host as name servers know it; `host` is as it was written.
    package var lookUpHost: String { (try? HostName.ascii(host)) ?? host }
}

/// Writes Unicode text with letters, digits and hyphens only (RFC 3492).
private enum Punycode {
    private static let base = 36
    private static let tMin = 1
    private static let tMax = 26
    private static let skew = 38
    private static let damp = 700
    private static let initialBias = 72
    private static let initialCode = 0x80
    /// Longer than any label of DNS, which keeps every number below far from its type's limit.
    private static let inputLimit = 63

    /// Nil for a text that is too long.
    static func encode(_ text: some Collection<Unicode.Scalar>) -> String? {
        let codes = text.map { Int($0.value) }
        guard codes.count <= inputLimit else { return nil }
        let basic = codes.filter { $0 < initialCode }
        var output = basic.map { Character(Unicode.Scalar(UInt8($0))) }
        if !basic.isEmpty { output.append("-") }
        var (code, delta, bias, handled) = (initialCode, 0, initialBias, basic.count)
        while handled < codes.count, let next = codes.filter({ $0 >= code }).min() {
            delta += (next - code) * (handled + 1)
            code = next
            for other in codes {
                if other < code { delta += 1 }
                guard other == code else { continue }
                output += digits(of: delta, bias)
                bias = adapted(delta, handled + 1, isFirst: handled == basic.count)
                delta = 0
                handled += 1
            }
            delta += 1
            code += 1
        }
        return String(output)
    }

    /// A number in the variable-length form of RFC 3492 §3.3.
    private static func digits(of number: Int, _ bias: Int) -> [Character] {
        var (rest, place, digits) = (number, base, [Character]())
        while true {
            let threshold = min(max(place - bias, tMin), tMax)
            guard rest >= threshold else { break }
            digits.append(digit(threshold + (rest - threshold) % (base - threshold)))
            rest = (rest - threshold) / (base - threshold)
            place += base
        }
        return digits + [digit(rest)]
    }

    private static func digit(_ value: Int) -> Character {
        let first = value < 26 ? UInt8(ascii: "a") : UInt8(ascii: "0") - 26
        return Character(Unicode.Scalar(first + UInt8(value)))
    }

    private static func adapted(_ delta: Int, _ count: Int, isFirst: Bool) -> Int {
        var (delta, bias) = (isFirst ? delta / damp : delta / 2, 0)
        delta += delta / count
        while delta > (base - tMin) * tMax / 2 {
            delta /= base - tMin
            bias += base
        }
        return bias + (base - tMin + 1) * delta / (delta + skew)
    }
}
