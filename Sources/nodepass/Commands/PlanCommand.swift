import API
import ArgumentParser
import Config
import FoundationEssentials

/// `nodepass plan`: what a manifest would change in a running daemon; changes nothing.
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract:
            "Show what a manifest would change, and change nothing; exits 0 for no changes, 2 for changes, 1 for an error."
    )

    @Option(name: [.customShort("f"), .long], help: "A manifest instead of the daemon's own (repeatable).")
    var file: [String] = []

    @Flag(help: "Print the plan as JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let plan = try await ask(connection.client)
        let diagnostics = plan.diagnostics
        if json {
            Output.line(plan.json.prettyText)
        } else {
            diagnostics.forEach { Output.error(DiagnosticText.line($0)) }
            Output.line(PlanText(isColored: Output.isColored).text(plan))
        }
        if diagnostics.contains(where: { $0.severity == "error" }) { throw ExitCode(1) }
        if plan.changes { throw ExitCode(2) }
    }

    /// A daemon on this machine reads the files itself, with its own environment; a remote one is
    /// sent their text.
    private func ask(_ client: ControlClient) async throws -> WireObject<PlanView> {
        if file.isEmpty { return try await client.post("/plan", as: PlanView.self) }
        guard client.isLocal else {
            let files = try file.flatMap { path throws(CommandFailure) in try Self.files(path) }
            let bundle = try files.map { path throws(CommandFailure) -> JSONValue in
                .object(["name": .string(path), "text": .string(try text(of: path))])
            }
            return try await client.post("/plan?bundle=1", JSONValue.array(bundle).compactText, as: PlanView.self)
        }
        let directory = FileManager.default.currentDirectoryPath
        let names = file.map {
            QueryParameter(name: "file", value: TextFile.absolute($0, from: directory))
        }
        return try await client.post("/plan?" + QueryString(names).sortedText, as: PlanView.self)
    }

    /// A file, or those of a directory that the daemon would read there.
    private static func files(_ path: String) throws(CommandFailure) -> [String] {
        guard FileState(path: path)?.isDirectory == true else { return [path] }
        let names = (TextFile.names(in: path) ?? []).filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }
        guard !names.isEmpty else { throw CommandFailure(message: "\(path) has no *.yaml files") }
        return names.filter { !$0.hasPrefix(".") }.map { path + "/" + $0 }
    }

    private func text(of path: String) throws(CommandFailure) -> String {
        do throws(TextFile.ReadError) {
            return try TextFile.read(path, limitBytes: YAMLLimits().documentBytes)
        } catch {
            throw CommandFailure(message: "\(path) cannot be read: \(error.problem)")
        }
    }
}
