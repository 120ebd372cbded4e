import Glibc

/// How many guesses a tunnel's key takes, as far as its text shows.
package enum KeyStrength {
    /// Below this, a key can be guessed: by anyone who has seen a handshake of v1.14, on their own machine.
    package static let leastBits = 64
    /// What `nodepass key generate` makes: 160 bits, in characters that no URL and no YAML escapes.
    package static let generatedBytes = 20

    /// A run of letters this long is taken for words or a name.
    private static let wordLength = 4
    /// English text has about two bits a letter, names and inventions a little more.
    private static let bitsOfWordLetter = 2.5

    /// The bits of a key; an estimate, never more than if all its characters were drawn at random.
    package static func bits(of key: String) -> Int {
        let scalars = Array(key.unicodeScalars)
        let hexDigits = scalars.allSatisfy { $0.isASCII && $0.properties.isASCIIHexDigit }
        let alphabet = hexDigits ? 16 : Self.alphabet(of: scalars)
        var bits = 0.0
        var index = scalars.startIndex
        while index < scalars.endIndex {
            let run = hexDigits ? 1 : wordRun(scalars[index...])
            for offset in 0..<run {
                let position = index + offset
                let isStep = position > 0 && follows(scalars[position], scalars[position - 1])
                bits += isStep ? 1 : run >= wordLength ? bitsOfWordLetter : log2(alphabet)
            }
            index += run
        }
        // Few characters over and over are few choices, however long the key is.
        return Int(min(bits, Double(Set(scalars).count) * log2(alphabet) * 2))
    }

    /// How many different characters a key of such characters chooses from.
    private static func alphabet(of scalars: [Unicode.Scalar]) -> Double {
        var size = 0.0
        if scalars.contains(where: isLower) { size += 26 }
        if scalars.contains(where: isUpper) { size += 26 }
        if scalars.contains(where: isDigit) { size += 10 }
        if scalars.contains(where: { !isLower($0) && !isUpper($0) && !isDigit($0) }) { size += 32 }
        return max(size, 2)
    }

    /// How many letters of one case begin here; at least one character.
    private static func wordRun(_ scalars: ArraySlice<Unicode.Scalar>) -> Int {
        guard let first = scalars.first else { return 1 }
        if isLower(first) { return max(scalars.prefix(while: isLower).count, 1) }
        guard isUpper(first) else { return 1 }
        let rest = scalars.dropFirst()
        return 1 + max(rest.prefix(while: isLower).count, rest.prefix(while: isUpper).count)
    }

    /// The same again, or the next one: `aaa`, `123`, `abc`.
    private static func follows(_ scalar: Unicode.Scalar, _ before: Unicode.Scalar) -> Bool {
        scalar == before || scalar.value == before.value &+ 1 || scalar.value &+ 1 == before.value
    }

    private static func isLower(_ scalar: Unicode.Scalar) -> Bool { ("a"..."z").contains(scalar) }
    private static func isUpper(_ scalar: Unicode.Scalar) -> Bool { ("A"..."Z").contains(scalar) }
    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

    /// A new key that nobody can guess: base64url (RFC 4648 §5), which needs no escaping anywhere.
    package static func generate(using random: inout some RandomNumberGenerator) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".unicodeScalars)
        while true {
            let length = (generatedBytes * 8 + 5) / 6
            let scalars = (0..<length).map { _ in alphabet.randomElement(using: &random) ?? "A" }
            let key = String(String.UnicodeScalarView(scalars))
            // No option of a command line begins like it, and it is never taken for words.
            if let first = scalars.first, isLower(first) || isUpper(first), bits(of: key) >= 2 * leastBits {
                return key
            }
        }
    }
}

extension KeyStrength {
    /// What is wrong with the key of a two-ended tunnel, and whether it may run with it; nil for a good one.
    static func problem(of spec: TunnelSpec) -> (code: DiagnosticCode, message: String, isFatal: Bool)? {
        let hasTwoEnds = spec.role == .server || spec.mode == .two
        guard hasTwoEnds else { return nil }
        let isFatal = spec.handshake == .sealed
        let advice = "; make one with: nodepass key generate"
        guard let key = spec.key else {
            return (.noKey, "is not set: anyone who knows the port can compute the default key" + advice, isFatal)
        }
        let bits = bits(of: key.value)
        guard bits < leastBits else { return nil }
        let message = "can be guessed: it has about \(bits) bits, and less than \(leastBits) is too little"
        return (.weakKey, message + advice, isFatal)
    }
}
