import Config
import FoundationEssentials
import Glibc

/// One line: `2026-11-23 20:42:28.717  INFO  text`, the level in its color.
enum LogLine {
    static func print(_ level: LogLevel, _ message: String, time: Date = Date()) {
        Output.line(text(level, message, time: time))
    }

    static func text(_ level: LogLevel, _ message: String, time: Date, isColored: Bool = true) -> String {
        let (name, color) = level.label
        let label = isColored ? "\u{1b}[\(color)m\(name)\u{1b}[0m" : name
        return "\(stamp(time))  \(label)  \(message)"
    }

    /// Local time with milliseconds.
    private static func stamp(_ time: Date) -> String {
        let milliseconds = Int64((time.timeIntervalSince1970 * 1000).rounded(.down))
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        let date = [parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday].map { padded(Int($0), 2) }
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { padded(Int($0), 2) }
        return date.joined(separator: "-") + " " + clock.joined(separator: ":") + "."
            + padded(Int(milliseconds % 1000), 3)
    }

    private static func padded(_ value: Int, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}

extension LogLevel {
    fileprivate var label: (name: String, color: Int) {
        switch self {
        case .debug: ("DEBUG", 34)
        case .info, .none: ("INFO", 32)
        case .warn: ("WARN", 33)
        case .error: ("ERROR", 31)
        case .event: ("EVENT", 36)
        }
    }
}
