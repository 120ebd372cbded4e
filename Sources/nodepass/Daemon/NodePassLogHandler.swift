import Config
import Logging

/// Writes the daemon's log in NodePass's format, which scripts read, or in another that was asked for.
struct NodePassLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    /// `none`: nothing at all.
    private let isSilent: Bool
    private let output: LogOutput

    init(level: LogLevel, output: LogOutput) {
        logLevel = level.loggerLevel
        isSilent = level == .none
        self.output = output
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        guard !isSilent else { return }
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.filter { $0.key != "hb.request.id" }
        let fields = all.sorted { $0.key < $1.key }.map { (name: $0.key, value: "\($0.value)") }
        output.print(event.level.nodePassLevel, "\(event.message)", fields: fields)
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
