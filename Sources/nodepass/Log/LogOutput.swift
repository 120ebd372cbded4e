import Config
import FoundationEssentials

/// The log of the process on standard output.
struct LogOutput: Sendable {
    private let style: LogStyle
    private let writer: LogWriter

    /// Of this process.
    init(_ format: LogFormat, environment: [String: String] = ProcessInfo.processInfo.environment) {
        let style = LogStyle(format, to: .standardOutput, environment: environment)
        self.style = style
        writer = LogWriter { dropped in
            style.line(.warn, "\(dropped) log lines were dropped: standard output did not take them", time: Date())
        }
    }

    /// Never waits.
    func print(
        _ level: LogLevel,
        _ message: String,
        time: Date = Date(),
        fields: [(name: String, value: String)] = []
    ) {
        writer.write(style.line(level, message, time: time, fields: fields))
    }

    /// One line of a tunnel's log, with its id at the end as NodePass's masters print it.
    func print(_ level: LogLevel, _ message: String, time: Date, of id: String) {
        let isJSON = style == .json
        print(level, isJSON ? message : "\(message) [\(id)]", time: time, fields: isJSON ? [("instance", id)] : [])
    }

    /// Returns when all is written, or its reader has not read for a second.
    func flush() async { await writer.flush() }
}
