import API
import ArgumentParser
import Config

/// `nodepass connections NAME`: who is connected to a tunnel.
struct ConnectionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connections",
        abstract: "List a tunnel's users: address, since when, bytes in and out; those who came first at the top."
    )

    @Argument(help: "The tunnel's name, id or unique alias.")
    var name: String

    @Flag(help: "Print them as JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = try connection.client
        let id = try GetCommand.find(name, in: try await client.instances()).id
        let users = try await client.get("/instances/\(id)/connections", as: ConnectionsView.self)
        guard !json else { return _ = Output.line(users.json.prettyText) }
        let rows = users.connections.map { user in
            [
                user.user, user.transport, InstanceText.time(user.since), user.received.map(ByteText.size) ?? "-",
                user.sent.map(ByteText.size) ?? "-",
            ]
        }
        Output.line(TextTable.aligned([["USER", "PROTOCOL", "SINCE", "IN", "OUT"]] + rows))
        let more = Int(users.total) - rows.count
        if more > 0 { Output.line("… and \(more) more") }
    }
}
