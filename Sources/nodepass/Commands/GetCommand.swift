import API
import ArgumentParser
import Config
import Reconciler

/// `nodepass get`: the tunnels of a running daemon.
struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get",
        abstract: "List all tunnels, or those with the given names, ids or unique aliases.",
        discussion: "A ! after the phase: a request has overridden the manifest; `nodepass describe` shows what."
    )

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table
        case wide
        case json
        case yaml
        case url
    }

    @Argument(help: "Names, ids or aliases.")
    var names: [String] = []

    @Option(name: [.customShort("o"), .customLong("output")], help: "Format: table, wide, json, yaml or url.")
    var output = Format.table

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let rows = try await connection.client.instances()
        let chosen = names.isEmpty ? rows : try names.map { try Self.find($0, in: rows) }
        switch output {
        case .table, .wide:
            let leaving = names.isEmpty ? try await connection.client.reconcile().leaving : []
            let problems = try await connection.client.status().problems
            Output.line(InstanceTable.text(chosen, leaving: leaving, problems: problems, isWide: output == .wide))
            guard names.isEmpty else { return }
            for problem in problems where Self.concernsAll(problem) {
                Output.error(PlainText.line((problem.tunnel.map { $0 + ": " } ?? "") + problem.text))
            }
        case .json: Output.line(JSONValue.array(chosen.map(\.json)).prettyText)
        case .yaml: Output.raw(YAMLText.document(.array(chosen.map(\.json))))
        case .url: chosen.forEach { Output.line(PlainText.line($0.url)) }
        }
    }

    /// What the table does not show: problems of the daemon, and of declarations that are not what runs.
    private static func concernsAll(_ problem: WireObject<ProblemView>) -> Bool {
        problem.tunnel == nil || problem.kind == Problem.Kind.invalidDeclaration.rawValue
    }

    static func find(_ name: String, in rows: [InstanceRow]) throws(CommandFailure) -> InstanceRow {
        if let row = rows.first(where: { $0.name == name }) ?? rows.first(where: { $0.id == name }) { return row }
        let aliased = rows.filter { $0.alias == name }
        guard let row = aliased.first else {
            throw CommandFailure(message: "no tunnel has the name, id or alias '\(name)'; `nodepass get` lists them")
        }
        guard aliased.count == 1 else {
            let ids = aliased.map(\.id).joined(separator: ", ")
            throw CommandFailure(message: "the alias '\(name)' is not unique; use one of the ids \(ids)")
        }
        return row
    }
}
