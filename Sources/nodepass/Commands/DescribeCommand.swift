import API
import ArgumentParser
import Config

/// `nodepass describe`: everything about tunnels of a running daemon, for people.
struct DescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract: "Show everything about one tunnel, or about several."
    )

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
        case yaml
    }

    @OptionGroup var selection: TunnelSelection

    @Option(name: [.customShort("o"), .customLong("output")], help: "Format: text, json or yaml.")
    var output = Format.text

    @Flag(help: "Show keys, and values from references, in json and yaml.")
    var showSecrets = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = try connection.client
        let rows = try await selection.required(from: client, to: "describe", isConfirmed: true)
        var described: [InstanceRow] = []
        for row in rows { described.append(try await client.instance(row.id, showsSecrets: showSecrets)) }
        // A list is a list whatever it holds; a name is one tunnel.
        let isOne = selection.names.count == 1 && described.count == 1
        let json = isOne ? described[0].json : .array(described.map(\.json))
        switch output {
        case .text: Output.line(described.map(InstanceDescription.text).joined(separator: "\n\n"))
        case .json: Output.line(json.prettyText)
        case .yaml: Output.raw(YAMLText.document(json))
        }
    }
}
