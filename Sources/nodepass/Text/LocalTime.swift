import Config
import FoundationEssentials
import Glibc

/// Times as people read them: with the date and the zone, in this machine's zone or in UTC.
struct LocalTime {
    let isUTC: Bool

    /// `2026-11-27 02:00:13 +01:00`; a text that is not a time stays as it is.
    func text(_ time: String) -> String {
        guard let date = RFC3339.date(time) else { return time }
        return text(date)
    }

    func text(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970.rounded(.down))
        var parts = tm()
        if isUTC { gmtime_r(&seconds, &parts) } else { localtime_r(&seconds, &parts) }
        func two(_ number: some BinaryInteger) -> String { (number < 10 ? "0" : "") + String(number) }
        let day = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { two($0) }.joined(separator: ":")
        return "\(day) \(clock) \(zone(parts.tm_gmtoff))"
    }

    private func zone(_ offset: Int) -> String {
        guard offset != 0 else { return "UTC" }
        let minutes = abs(offset) / 60
        func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
        return (offset < 0 ? "-" : "+") + two(minutes / 60) + ":" + two(minutes % 60)
    }
}
