import API
import ArgumentParser
import Config
import Glibc

/// `nodepass logs`: the newest log lines of one tunnel, and with `-f` those that follow.
struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Show the log of one tunnel."
    )

    @Argument(help: "The tunnel's name, id or unique alias.")
    var name: String

    @Flag(name: [.customShort("f"), .long], help: "Keep printing new lines.")
    var follow = false

    @Option(help: "How many of the newest lines to print.")
    var tail = 200

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = connection.client
        let id = try GetCommand.find(name, in: try await GetCommand.rows(client))["id"]?.stringValue ?? ""
        let path = "/instances/\(id)/logs?tail=\(tail)"
        let isColored = isatty(STDOUT_FILENO) != 0
        guard follow else {
            let lines = try await client.get(path)["lines"]?.items ?? []
            for line in lines { Output.line(Self.text(line, isColored: isColored)) }
            return
        }
        for try await event in try await client.stream(path + "&follow=1") where event.name == "log" {
            guard let line = try? JSONParser.parse(Array(event.data.utf8)) else { continue }
            guard Output.line(Self.text(line, isColored: isColored)) else { return }
        }
    }

    /// As the daemon's own log shows it.
    private static func text(_ line: JSONValue, isColored: Bool) -> String {
        let level = line["level"]?.stringValue.flatMap(LogLevel.init(rawValue:)) ?? .info
        let message = line["message"]?.stringValue ?? ""
        let stamp = line["time"]?.stringValue ?? ""
        guard let time = RFC3339.date(stamp) else { return "\(stamp)  \(level.rawValue.uppercased())  \(message)" }
        return LogLine.text(level, message, time: time, isColored: isColored)
    }
}
