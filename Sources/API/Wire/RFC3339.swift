package import FoundationEssentials

/// Times as the API writes them: UTC, `2026-11-23T20:42:28.717850665Z`.
package enum RFC3339 {
    /// Up to nine fractional digits, trailing zeros trimmed; the precision is what `Date` has.
    package static func text(_ date: Date) -> String {
        let seconds = date.timeIntervalSince1970.rounded(.down)
        let fraction = date.timeIntervalSince1970 - seconds
        let nanoseconds = min(Int64((fraction * 1e9).rounded()), 999_999_999)
        let clamped = Int64(max(-62_135_596_800, min(seconds, 253_402_300_799)))
        let days = Int((Double(clamped) / 86_400).rounded(.down))
        let rest = Int(clamped - Int64(days) * 86_400)
        let (year, month, day) = civil(days: days)
        let clock = [rest / 3600, rest / 60 % 60, rest % 60].map { padded($0, 2) }.joined(separator: ":")
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(clock)\(fractionText(nanoseconds))Z"
    }

    private static func fractionText(_ nanoseconds: Int64) -> String {
        var digits = padded(Int(nanoseconds), 9)
        while digits.hasSuffix("0") { digits.removeLast() }
        return digits.isEmpty ? "" : "." + digits
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    /// The date of a day counted from 1970-01-01, by the Gregorian rules.
    ///
    /// Years start in March here, so that the leap day is the last day of one.
    private static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
