import Config
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
