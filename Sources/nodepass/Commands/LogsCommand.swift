import API
import ArgumentParser
import Config
import FoundationEssentials
import Reconciler

/// `nodepass logs`: the newest log lines of tunnels, and with `-f` those that follow.
struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Show the log of one tunnel, or of several, line by line in the order of time."
    )

    @OptionGroup var selection: TunnelSelection

    @Flag(name: [.customShort("f"), .customLong("follow")], help: "Keep printing new lines; for one tunnel.")
    var follow = false

    @Option(help: "How many of the newest lines to print.")
    var tail = 200

    @Option(help: "Leave out what is older, such as 8h.")
    var since: String?

    @OptionGroup var connection: ConnectionOptions

    func validate() throws { try CountLimit.check(tail, 1...LogLimits().lines, "--tail") }

    func run() async throws {
        let client = try connection.client
        let start = try since.map { Date() - (try DurationText.positive($0, "--since") / .seconds(1)) }
        let rows = try await selection.required(from: client, to: "show the logs of", isConfirmed: true)
        guard follow else { return try await list(rows, since: start, client) }
        guard rows.count == 1, let row = rows.first else {
            throw CommandFailure(message: "-f follows one tunnel, and \(rows.count) are chosen", isUsage: true)
        }
        let isColored = Output.isColored
        for try await event in try await client.stream("/instances/\(row.id)/logs?tail=\(tail)&follow=1")
        where event.name == "log" {
            guard let data = try? JSONParser.parse(Array(event.data.utf8)) else { continue }
            let line = WireObject<LogView.Line>(data)
            guard Self.isShown(line, since: start) else { continue }
            guard Output.line(Self.text(line, isColored: isColored)) else { return }
        }
    }

    private func list(_ rows: [InstanceRow], since start: Date?, _ client: ControlClient) async throws {
        var lines: [(time: String, text: String)] = []
        for row in rows {
            let name = rows.count == 1 ? "" : InstanceText.name(row) + "  "
            let log = try await client.get("/instances/\(row.id)/logs?tail=\(tail)", as: LogView.self)
            for line in log.lines where Self.isShown(line, since: start) {
                lines.append((line.time, PlainText.line(name) + Self.text(line, isColored: Output.isColored)))
            }
        }
        if rows.count > 1 { lines.sort { $0.time < $1.time } }
        lines.suffix(tail).forEach { Output.line($0.text) }
    }

    private static func isShown(_ line: WireObject<LogView.Line>, since start: Date?) -> Bool {
        guard let start, let time = RFC3339.date(line.time) else { return true }
        return time >= start
    }

    /// As the daemon's own log shows it.
    private static func text(_ line: WireObject<LogView.Line>, isColored: Bool) -> String {
        let level = LogLevel(rawValue: line.level) ?? .info
        guard let time = RFC3339.date(line.time) else {
            return PlainText.line("\(line.time)  \(level.rawValue.uppercased())  \(line.message)")
        }
        return LogLine.text(level, PlainText.line(line.message), time: time, isColored: isColored)
    }
}
