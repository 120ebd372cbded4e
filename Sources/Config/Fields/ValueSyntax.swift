/// How values of one kind are written in YAML and shown to people.
struct ValueSyntax<Value: Hashable & Sendable>: Sendable {
    /// Follows "takes", as in "takes a number from 1 to 10".
    let expected: String
    let schema: JSONValue
    let parse: @Sendable (NodeReader.Text, TunnelRole) throws(ValueProblem) -> Value
    let text: @Sendable (Value, TunnelRole) -> String
    /// Where the default cannot be written as a value, as for a name that is not set.
    var defaultText: String?
}

extension ValueSyntax {
    /// One of a fixed set of words.
    static func words(_ words: [(String, Value)]) -> ValueSyntax {
        let names = words.map(\.0)
        let expected = "one of " + names.joined(separator: ", ")
        return ValueSyntax(
            expected: expected,
            schema: ["enum": .array(names.map { .string($0) })],
            parse: { text, _ throws(ValueProblem) in
                let lowercased = text.value.lowercased()
                guard let word = words.first(where: { $0.0 == lowercased || $0.0 == text.value }) else {
                    throw ValueProblem(ValueProblem.notOne(text.value, of: names))
                }
                return word.1
            },
            text: { value, _ in words.first { $0.1 == value }?.0 ?? "" }
        )
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
                let number = DecimalNumber.parse(text.value)
                guard text.isPlain || number == nil else {
                    throw ValueProblem("'\(text.value)' is in quotes, so it is a text; write \(text.value)")
                }
                guard let value = number, range.contains(value) else {
                    throw ValueProblem("'\(text.value)' is not \(expected)")
                }
                return value
            },
            text: { value, _ in String(value) }
        )
    }

    /// A rate in whole Mbps; a bare number is Mbps, as in NodePass.
    static let rate = ValueSyntax(
        expected: "a rate in whole Mbps, such as 100Mbps or 1Gbps, or 0 for none",
        schema: [
            "anyOf": [
                ["type": "integer", "minimum": 0, "maximum": .int(Int64(TunnelSpec.rateLimitMbps))],
                ["type": "string", "pattern": .string(BitRate.pattern)],
            ]
        ],
        parse: { text, _ throws(ValueProblem) in try BitRate.parse(text.value) },
        text: { value, _ in value == 0 ? "0" : BitRate.text(value) }
    )
}

extension ValueSyntax<Bool> {
    static let boolean = ValueSyntax(
        expected: "true or false",
        schema: ["type": "boolean"],
        parse: { text, _ throws(ValueProblem) in
            switch text.value.lowercased() {
            case let word where !text.isPlain: throw ValueProblem("'\(text.value)' is in quotes; write \(word)")
            case "true": return true
            case "false": return false
            case "yes", "on", "y": throw ValueProblem("'\(text.value)' is not true or false; write true")
            case "no", "off", "n": throw ValueProblem("'\(text.value)' is not true or false; write false")
            default: throw ValueProblem("'\(text.value)' is not true or false")
            }
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
            let name = try asciiName(text.value)
            let isName = name.utf8.allSatisfy { $0 > 32 && $0 < 127 }
            guard isName, name.utf8.count <= 253 else { throw ValueProblem("'\(text.value)' is not a host name") }
            return text.value.isEmpty ? nil : text.value
        },
        text: { value, _ in value ?? "unset" },
        defaultText: ""
    )

    static let urlPath = ValueSyntax(
        expected: "a path that begins with '/'",
        schema: ["type": "string", "pattern": "^/[!-~]*$", "maxLength": .int(Int64(TunnelSpec.pathLimitBytes))],
        parse: { text, _ throws(ValueProblem) in
            guard TunnelSpec.isPath(text.value) else {
                throw ValueProblem("'\(text.value)' is not a path; write /name, without blanks, '?' and '#'")
            }
            return text.value
        },
        text: { value, _ in value ?? "unset" },
        defaultText: "/"
    )

    static let service = ValueSyntax(
        expected: TunnelSpec.serviceWords,
        schema: ["type": "string", "pattern": "^[A-Za-z0-9._-]{1,63}$"],
        parse: { text, _ throws(ValueProblem) in
            guard TunnelSpec.isService(text.value) else {
                throw ValueProblem("'\(text.value)' is not \(TunnelSpec.serviceWords)")
            }
            return text.value
        },
        text: { value, _ in value ?? "unset" },
        defaultText: ""
    )

    private static func asciiName(_ text: String) throws(ValueProblem) -> String {
        do throws(HostName.Problem) {
            return try HostName.ascii(text)
        } catch {
            throw ValueProblem(error.message)
        }
    }
}

extension ValueSyntax<ProxyAddress?> {
    static let proxy = ValueSyntax(
        expected: "http://HOST:PORT or socks5://HOST:PORT",
        schema: ["type": "string", "pattern": "^(http|socks5)://"],
        parse: { text, _ throws(ValueProblem) in
            do throws(Endpoint.ParseError) {
                return try ProxyAddress(text.value)
            } catch {
                throw ValueProblem(error.problem)
            }
        },
        text: { value, _ in value?.description ?? "unset" },
        defaultText: ""
    )
}
