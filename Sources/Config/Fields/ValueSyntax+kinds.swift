extension ValueSyntax {
    /// One of a fixed set of words.
    static func words(_ words: [(String, Value)]) -> ValueSyntax {
        let names = words.map(\.0)
        let expected = "one of " + names.joined(separator: ", ")
        return ValueSyntax(
            expected: expected,
            schema: ["enum": .array(names.map { .string($0) })],
            parse: { text, _ throws(ValueProblem) in
                guard let word = words.first(where: { $0.0 == text.value }) else {
                    throw ValueProblem(ValueProblem.notOne(text.value, of: names))
                }
                return word.1
            },
            text: { value, _ in words.first { $0.1 == value }?.0 ?? "" }
        )
    }
}

extension ValueProblem {
    /// Names the words a key takes, and the one that was probably meant.
    static func notOne(_ text: String, of names: [String]) -> String {
        let advice = EditDistance.nearest(to: text, among: names).map { " (did you mean '\($0)'?)" } ?? ""
        return "'\(text)' is not one of \(names.joined(separator: ", "))\(advice)"
    }
}

extension ValueSyntax<Int> {
    /// A decimal number within limits.
    static func number(_ range: ClosedRange<Int>) -> ValueSyntax {
        let expected = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        return ValueSyntax(
            expected: expected,
            schema: [
                "type": "integer", "minimum": .int(Int64(range.lowerBound)), "maximum": .int(Int64(range.upperBound)),
            ],
            parse: { text, _ throws(ValueProblem) in
                guard text.isPlain, let value = DecimalNumber.parse(text.value), range.contains(value) else {
                    throw ValueProblem("'\(text.value)' is not \(expected)")
                }
                return value
            },
            text: { value, _ in String(value) }
        )
    }

    /// A rate in whole Mbps; a bare number is Mbps, as in NodePass.
    static let rate = ValueSyntax(
        expected: "a rate such as 100Mbps or 1Gbps, or 0 for none",
        schema: [
            "anyOf": [
                ["type": "integer", "minimum": 0, "maximum": .int(Int64(TunnelSpec.rateLimitMbps))],
                ["type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? ?([KMGkmg]bps)?$"],
            ]
        ],
        parse: { text, _ throws(ValueProblem) in try BitRate.parse(text.value) },
        text: { value, _ in value == 0 ? "0" : BitRate.text(value) }
    )
}

/// Plain decimal numbers: no sign, no other base, no leading zeros that another reader would take for octal.
enum DecimalNumber {
    static func parse(_ text: some StringProtocol) -> Int? {
        let isDecimal = !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
        guard isDecimal, text.count == 1 || !text.hasPrefix("0") else { return nil }
        return Int(text)
    }
}

/// Rates as people write them, in decimal units of bits per second.
enum BitRate {
    static func parse(_ text: String) throws(ValueProblem) -> Int {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(digits.count).trimmingBlanks.lowercased()
        let factors = ["": 1.0, "mbps": 1, "gbps": 1000, "kbps": 0.001]
        guard let number = Double(digits), let factor = factors[unit] else {
            throw ValueProblem("'\(text)' is not a rate; write 100Mbps, 1Gbps, or a number of Mbps")
        }
        let value = number * factor
        guard (value - value.rounded()).magnitude < 1e-9 else {
            throw ValueProblem("'\(text)' is not a whole number of Mbps, the smallest step")
        }
        guard value <= Double(TunnelSpec.rateLimitMbps) else {
            throw ValueProblem("'\(text)' is above the highest rate, \(BitRate.text(TunnelSpec.rateLimitMbps))")
        }
        return Int(value.rounded())
    }

    static func text(_ mbps: Int) -> String {
        mbps % 1000 == 0 ? "\(mbps / 1000)Gbps" : "\(mbps)Mbps"
    }
}

extension ValueSyntax<Bool> {
    static let boolean = ValueSyntax(
        expected: "true or false",
        schema: ["type": "boolean"],
        parse: { text, _ throws(ValueProblem) in
            guard text.isPlain, text.value == "true" || text.value == "false" else {
                throw ValueProblem("'\(text.value)' is not true or false")
            }
            return text.value == "true"
        },
        text: { value, _ in String(value) }
    )
}

extension ValueSyntax<Duration> {
    static let duration = ValueSyntax(
        expected: "a duration such as 500ms, 30s, 5m or 1h30m",
        schema: ["type": ["string", "integer"], "pattern": "^\\+?([0-9.]+(ns|us|µs|ms|s|m|h|d))+$|^0$", "maximum": 0],
        parse: { text, _ throws(ValueProblem) in
            guard let value = GoDuration.parse(text.value) else {
                throw ValueProblem("'\(text.value)' is not a duration; write 500ms, 30s, 5m or 1h30m")
            }
            return value
        },
        text: { value, _ in GoDuration.text(value) }
    )
}

extension ValueSyntax<String?> {
    /// A literal address, or the word `auto` for none.
    static let sourceAddress = ValueSyntax(
        expected: "auto or an IP address",
        schema: ["type": "string"],
        parse: { text, _ throws(ValueProblem) in
            if text.value == "auto" { return nil }
            guard IPAddress(text.value) != nil else {
                throw ValueProblem("'\(text.value)' is not auto or an IP address")
            }
            return text.value
        },
        text: { value, _ in value ?? "auto" }
    )

    static let serverName = ValueSyntax(
        expected: "a host name",
        schema: ["type": "string", "maxLength": 253],
        parse: { text, _ throws(ValueProblem) in
            let isName = text.value.utf8.allSatisfy { $0 > 32 && $0 < 127 }
            guard isName, text.value.utf8.count <= 253 else { throw ValueProblem("'\(text.value)' is not a host name") }
            return text.value.isEmpty ? nil : text.value
        },
        text: { value, _ in value ?? "unset" },
        defaultText: ""
    )
}

extension QuerySyntax {
    /// A parameter whose values are words of their own.
    static func words(_ words: [(String, Value)], otherwise fallback: Value, _ fallbackText: String) -> QuerySyntax {
        QuerySyntax(
            parse: { text in words.first { $0.0 == text }?.1 },
            fallback: fallback,
            fallbackText: fallbackText,
            text: { value in words.first { $0.1 == value }?.0 ?? "" }
        )
    }
}

extension QuerySyntax<Int> {
    static func number(_ range: ClosedRange<Int>, otherwise fallback: Int, _ fallbackText: String) -> QuerySyntax {
        QuerySyntax(
            parse: { text in Int(text).flatMap { range.contains($0) ? $0 : nil } },
            fallback: fallback,
            fallbackText: fallbackText,
            text: { String($0) }
        )
    }
}

extension QuerySyntax<Duration> {
    static func duration(otherwise fallback: Duration, _ fallbackText: String) -> QuerySyntax {
        QuerySyntax(
            parse: { GoDuration.parse($0) },
            fallback: fallback,
            fallbackText: fallbackText,
            text: { GoDuration.text($0) }
        )
    }
}

extension QuerySyntax<String?> {
    static let serverName = QuerySyntax(parse: { .some($0) }, fallback: nil, fallbackText: "none", text: { $0 ?? "" })

    static let sourceAddress = QuerySyntax(
        parse: { text in
            if text == "auto" { return .some(nil) }
            return IPAddress(text) == nil ? nil : .some(text)
        },
        fallback: nil,
        fallbackText: "auto: it is not an IP address",
        text: { $0 ?? "auto" }
    )
}
