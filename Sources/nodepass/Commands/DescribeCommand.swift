import API
import ArgumentParser
import Config

/// `nodepass describe`: everything about one tunnel of a running daemon, for people.
struct DescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract: "Show everything about one tunnel."
    )

    @Argument(help: "The tunnel's name, id or unique alias.")
    var name: String

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = connection.client
        let id = try GetCommand.find(name, in: try await client.instances()).id
        Output.line(InstanceDescription.text(try await client.instance(id)))
    }
}
