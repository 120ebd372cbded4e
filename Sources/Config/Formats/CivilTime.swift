import FoundationEssentials
import Glibc

/// A date of the calendar and a time of day, from which every format of times is written.
struct CivilTime {
    let year: Int
    let month: Int
    let day: Int
    let hour: Int
    let minute: Int
    let second: Int
    /// From 0 to 999,999,999.
    let nanoseconds: Int
    /// 0 is Sunday.
    let weekday: Int

    /// The years 1 to 9999; what is outside of them becomes the nearest second inside.
    private static let years: ClosedRange<Double> = -62_135_596_800...253_402_300_799

    /// In UTC, by the Gregorian rules.
    ///
    /// Arithmetic and not a calendar, because each log line and event has a time.
    init(utc date: Date) {
        let (seconds, nanoseconds) = Self.parts(of: date)
        let days = Int((Double(seconds) / 86_400).rounded(.down))
        let rest = Int(seconds) - days * 86_400
        // Years start in March here, so that the leap day is the last day of one.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60)
        self.nanoseconds = nanoseconds
        // 1970-01-01 was a Thursday.
        weekday = ((days + 4) % 7 + 7) % 7
    }

    /// In the time zone of this machine.
    init(local date: Date) {
        let (seconds, nanoseconds) = Self.parts(of: date)
        var time = time_t(seconds)
        var parts = tm()
        localtime_r(&time, &parts)
        (year, month, day) = (Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday))
        (hour, minute, second) = (Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec))
        self.nanoseconds = nanoseconds
        weekday = Int(parts.tm_wday)
    }

    /// The date: `2026-11-23`.
    var dayText: String { "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(day, 2))" }

    /// The time of day: `20:42:28`.
    var clockText: String { [hour, minute, second].map { Self.padded($0, 2) }.joined(separator: ":") }

    static func padded(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    private static func parts(of date: Date) -> (seconds: Int64, nanoseconds: Int) {
        let seconds = date.timeIntervalSince1970.rounded(.down)
        let fraction = date.timeIntervalSince1970 - seconds
        let clamped = Int64(min(max(seconds, years.lowerBound), years.upperBound))
        return (clamped, min(Int((fraction * 1e9).rounded()), 999_999_999))
    }
}
