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
            guard file.count == 1 else {
                throw CommandFailure(
                    message: "a remote daemon plans one file: join the files, or run this command on its machine"
                )
            }
            return try await client.post("/plan", try text(of: file[0]), as: PlanView.self)
        }
        let directory = FileManager.default.currentDirectoryPath
        let names = file.map {
            QueryParameter(name: "file", value: TextFile.absolute($0, from: directory))
        }
        return try await client.post("/plan?" + QueryString(names).sortedText, as: PlanView.self)
    }

    private func text(of path: String) throws(CommandFailure) -> String {
        do throws(TextFile.ReadError) {
            return try TextFile.read(path, limitBytes: YAMLLimits().documentBytes)
        } catch {
            throw CommandFailure(message: "\(path) cannot be read: \(error.problem)")
        }
    }
}
