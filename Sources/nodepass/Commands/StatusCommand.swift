import API
import ArgumentParser
import Config

/// `nodepass status`: whether everything is served, on one screen, with an exit code for cron.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract:
            "Show whether everything is served; exits 0 for no problems, 1 for urgent ones or an error, 2 for others."
    )

    @Flag(help: "Print it as JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let status = try await connection.client.status()
        Output.line(json ? status.json.prettyText : StatusText.text(status))
        if status.urgent > 0 { throw ExitCode(1) }
        if !status.ok { throw ExitCode(2) }
    }
}
