import Config
import FoundationEssentials

/// How a line of the log looks: for people with or without colors, for the journal, or as JSON.
enum LogStyle: Sendable, Hashable {
    case colored
    case plain
    /// With the priority that systemd's journal reads.
    case journal
    case json

    /// `format` is what an option says.
    ///
    /// Colors are for terminals that have them. `NO_COLOR` takes them away, and `NP_LOG_COLOR` (always,
    /// never) wins over both.
    init(_ format: LogFormat, to destination: LogDestination, environment: [String: String]) {
        if format == .json {
            self = .json
        } else if environment["NP_LOG_COLOR"] == "always" {
            self = .colored
        } else if destination.isJournal(environment["JOURNAL_STREAM"]) {
            self = .journal
        } else {
            let isUnwanted =
                environment["NP_LOG_COLOR"] == "never" || environment["NO_COLOR"]?.isEmpty == false
                || environment["TERM"] == "dumb"
            self = destination.isTerminal && !isUnwanted ? .colored : .plain
        }
    }

    /// `fields` come after the message; empty ones are left out.
    func line(_ level: LogLevel, _ message: String, time: Date, fields: [(name: String, value: String)] = []) -> String
    {
        let fields = fields.filter { !$0.value.isEmpty }
        if self == .json { return Self.json(level, message, time, fields) }
        let text = fields.reduce(PlainText.line(message)) { "\($0) \($1.name)=\(PlainText.line($1.value))" }
        let line = LogLine.text(level, text, time: time, isColored: self == .colored)
        return self == .journal ? "<\(level.priority)>\(line)" : line
    }

    /// What is said on standard error while there is no log yet, or none any more: a line of the log where
    /// programs read it, nil where people do.
    static func lineForPrograms(
        _ level: LogLevel,
        _ message: String,
        _ format: LogFormat,
        to destination: LogDestination = .standardError,
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> String? {
        let style = LogStyle(format, to: destination, environment: environment)
        guard style == .json || style == .journal else { return nil }
        return style.line(level, message, time: Date())
    }

    private static func json(
        _ level: LogLevel,
        _ message: String,
        _ time: Date,
        _ fields: [(name: String, value: String)]
    ) -> String {
        let head = [("time", RFC3339.text(time)), ("level", level.rawValue), ("message", message)]
        let members = (head + fields.map { ($0.name, $0.value) }).map { name, value in
            JSONValue.Member(name, .string(PlainText.line(value)))
        }
        return JSONValue.object(members).compactText
    }
}

/// What `--log-format` takes.
enum LogFormat: String, Sendable, CaseIterable {
    case text
    case json

    init(named name: String?) throws(CommandFailure) {
        guard let name else {
            self = .text
            return
        }
        guard let format = LogFormat(rawValue: name) else {
            let problem = "'\(name)' is not a format; use one of text, json"
            throw CommandFailure(message: "--log-format: \(problem)", isUsage: true)
        }
        self = format
    }

    /// For what is wrong with the options themselves.
    init(namedIfKnown name: String?) {
        self = name.flatMap(LogFormat.init(rawValue:)) ?? .text
    }
}

extension LogLevel {
    /// Syslog's number for it.
    fileprivate var priority: Int {
        switch self {
        case .error: 3
        case .warn: 4
        case .info, .event, .none: 6
        case .debug: 7
        }
    }
}
