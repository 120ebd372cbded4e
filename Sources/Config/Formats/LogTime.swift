package import FoundationEssentials

/// Times at the start of a log line: local, `2026-11-23 20:42:28.717`.
package enum LogTime {
    package static func text(_ date: Date) -> String {
        let time = CivilTime(local: date)
        return "\(time.dayText) \(time.clockText).\(CivilTime.padded(time.nanoseconds / 1_000_000, 3))"
    }
}
