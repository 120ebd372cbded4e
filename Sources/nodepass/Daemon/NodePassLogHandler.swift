import Config
import FoundationEssentials
import Glibc
import Logging

/// Writes the daemon's log in NodePass's format, which scripts read.
struct NodePassLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    /// `none`: nothing at all.
    private let isSilent: Bool

    init(level: LogLevel) {
        logLevel = level.loggerLevel
        isSilent = level == .none
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        guard !isSilent else { return }
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.mapValues { "\($0)" }
        let shown = all.filter { $0.key != "hb.request.id" && !$0.value.isEmpty }
        let data = shown.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        LogLine.print(event.level.nodePassLevel, "\(event.message)\(data)")
    }
}

/// One line: `2026-11-23 20:42:28.717  INFO  text`, the level in its colour.
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
    /// The level of our log that shows as much as this one.
    fileprivate var loggerLevel: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warn: .warning
        case .error: .error
        case .event, .none: .critical
        }
    }

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

extension Logger.Level {
    fileprivate var nodePassLevel: LogLevel {
        switch self {
        case .trace, .debug: .debug
        case .info, .notice: .info
        case .warning: .warn
        case .error: .error
        case .critical: .event
        }
    }
}
