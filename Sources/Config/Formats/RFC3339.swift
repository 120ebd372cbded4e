package import FoundationEssentials

/// Times as the API writes them: UTC, `2026-11-23T20:42:28.717850665Z`.
package enum RFC3339 {
    /// Up to nine fractional digits, trailing zeros trimmed; the precision is what `Date` has.
    package static func text(_ date: Date) -> String {
        let time = CivilTime(utc: date)
        var digits = Substring(CivilTime.padded(time.nanoseconds, 9))
        while digits.last == "0" { digits.removeLast() }
        return "\(time.dayText)T\(time.clockText)\(digits.isEmpty ? "" : "." + digits)Z"
    }

    /// The day alone, in UTC: `2026-11-23`.
    package static func dayText(_ date: Date) -> String { CivilTime(utc: date).dayText }

    /// Reads what `text` writes, with a fraction or without; nil for anything else.
    package static func date(_ text: String) -> Date? {
        (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
            ?? (try? Date(text, strategy: Date.ISO8601FormatStyle()))
    }
}
