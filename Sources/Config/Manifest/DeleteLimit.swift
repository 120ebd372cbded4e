/// How many tunnels one change of the manifest may delete.
package enum DeleteLimit: Sendable, Hashable {
    case count(Int)
    /// Of the tunnels that are declared now.
    case percent(Int)

    package func admits(_ deletes: Int, of declared: Int) -> Bool {
        switch self {
        case .count(let limit): deletes <= limit
        case .percent(let limit): deletes * 100 <= limit * declared
        }
    }

    package var text: String {
        switch self {
        case .count(let limit): "\(limit)"
        case .percent(let limit): "\(limit)%"
        }
    }
}

extension ValueSyntax<DeleteLimit?> {
    private static let mostTunnels = 1_000_000

    static let deleteLimit = ValueSyntax(
        expected: "a number such as 5, a percentage such as 20%, or none",
        schema: [
            "anyOf": [
                ["type": "integer", "minimum": 0, "maximum": .int(Int64(mostTunnels))],
                ["type": "string", "pattern": "^(none|(100|[0-9]{1,2})%)$"],
            ]
        ],
        parse: { text, _ throws(ValueProblem) in
            if text.value == "none" { return nil }
            let isPercent = text.value.hasSuffix("%")
            let number = DecimalNumber.parse(isPercent ? String(text.value.dropLast()) : text.value)
            guard let number, (0...(isPercent ? 100 : mostTunnels)).contains(number) else {
                throw ValueProblem("'\(text.value)' is not a number of tunnels or a percentage; write 5, 20% or none")
            }
            return isPercent ? .percent(number) : .count(number)
        },
        text: { value, _ in value?.text ?? "none" }
    )
}
