import API
import ArgumentParser
import Config

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
        let id = try GetCommand.find(name, in: try await client.instances()).id
        let path = "/instances/\(id)/logs?tail=\(tail)"
        let isColored = Output.isColored
        guard follow else {
            for line in try await client.get(path, as: LogView.self).lines {
                Output.line(Self.text(line, isColored: isColored))
            }
            return
        }
        for try await event in try await client.stream(path + "&follow=1") where event.name == "log" {
            guard let line = try? JSONParser.parse(Array(event.data.utf8)) else { continue }
            guard Output.line(Self.text(WireObject(line), isColored: isColored)) else { return }
        }
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
