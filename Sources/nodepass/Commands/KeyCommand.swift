import API
import ArgumentParser
import Config

/// `nodepass key`: the API key of a running daemon, and new keys for tunnels.
struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Show or replace the API key, manage labelled keys with a role, or make a key for a tunnel.",
        subcommands: [
            ShowCommand.self, RotateCommand.self, CreateKeyCommand.self, ListKeysCommand.self, RevokeKeyCommand.self,
            GenerateCommand.self,
        ]
    )

    struct GenerateCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "generate",
            abstract: "Print a new key for the two ends of a tunnel: 160 random bits, without characters to escape."
        )

        func run() {
            var random = SystemRandomNumberGenerator()
            Output.line(KeyStrength.generate(using: &random))
        }
    }

    struct ShowCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Print the API key.")
        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            Output.line(try key(in: try await connection.client.instance(KeyView.id)))
        }
    }

    struct RotateCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Replace the API key and print the new one; the old key stops working at once, or after --grace."
        )

        @Option(help: "How long the old key works on, such as 10m; at most 7 days.")
        var grace: String?

        @OptionGroup var connection: ConnectionOptions

        func run() async throws {
            let query = try grace.map { "?grace=\(GoDuration.text(try DurationText.positive($0, "--grace")))" } ?? ""
            let path = "/instances/\(KeyView.id)\(query)"
            let row = try await connection.client.patch(path, .object(["action": "restart"]))
            Output.line(try key(in: row))
        }
    }
}

/// The list of instances has a row for the API key, with the key in place of a URL.
private func key(in row: InstanceRow) throws(CommandFailure) -> String {
    guard row.isKey, !row.url.isEmpty else {
        throw CommandFailure(message: "the answer has no API key; is another program at this address?")
    }
    return row.url
}
