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
        let (rows, deleted) = try await chosen(client)
        var described: [InstanceRow] = []
        for row in rows { described.append(try await client.instance(row.id, showsSecrets: showSecrets)) }
        let objects = described.map(\.json) + deleted.map(\.json)
        // A list is a list whatever it holds; a name is one tunnel.
        let json = selection.names.count == 1 && objects.count == 1 ? objects[0] : .array(objects)
        switch output {
        case .text:
            let texts = described.map(InstanceDescription.text) + deleted.map(InstanceDescription.text)
            Output.line(texts.joined(separator: "\n\n"))
        case .json: Output.line(json.prettyText)
        case .yaml: Output.raw(YAMLText.document(json))
        }
    }

    /// Those that exist, and declared ones that a request has deleted.
    private func chosen(
        _ client: ControlClient
    ) async throws -> (rows: [InstanceRow], deleted: [WireObject<PlanView.Overridden>]) {
        let deleted = selection.isEmpty ? [] : selection.chosen(of: try await client.status().hidden)
        guard !deleted.isEmpty else {
            return (try await selection.required(from: client, to: "describe", isConfirmed: true), [])
        }
        let chosen = try await selection.chosen(from: client)
        let missing = chosen.missing.first { name in !deleted.contains { TunnelSelection.names(name, $0) } }
        if let missing { throw TunnelSelection.unknown(missing, among: chosen.all) }
        return (chosen.rows, deleted)
    }
}
