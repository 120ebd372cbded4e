import Config
import FoundationEssentials

/// One line of a log in NodePass's form: `2026-11-23 20:42:28.717  INFO  text`, the level in its color.
enum LogLine {
    static func text(_ level: LogLevel, _ message: String, time: Date, isColored: Bool) -> String {
        let (name, color) = level.label
        let label = isColored ? "\u{1b}[\(color)m\(name)\u{1b}[0m" : name
        return "\(LogTime.text(time))  \(label)  \(message)"
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
