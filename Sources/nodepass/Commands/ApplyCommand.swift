import API
import ArgumentParser
import Config

/// `nodepass apply`: has a running daemon read its manifest now, and waits for what becomes of it.
struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract:
            "Apply the daemon's manifest as it is on disk now, and wait; exits 1 when a tunnel does not get there."
    )

    @Option(help: "How long to wait.")
    var timeout = "30s"

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        guard let wait = GoDuration.parse(timeout), wait > .zero else {
            throw CommandFailure(message: "--timeout: '\(timeout)' is no duration; write 30s or 2m")
        }
        let answer = try await connection.client.post("/reconcile?wait=\(GoDuration.text(wait))", patience: wait)
        let tunnels = answer["tunnels"]?.items ?? []
        if !tunnels.isEmpty { Output.line(TextTable.aligned(tunnels.map(cells))) }
        let invalid = (answer["invalid"]?.items ?? []).compactMap(\.stringValue)
        for name in invalid {
            Output.error("\(name): its declaration is invalid and was left as it was; `nodepass plan` says why")
        }
        let behind = answer["behind"]?.intValue ?? 0
        Output.line("Revision \(answer["revision"]?.stringValue ?? ""): \(tunnels.count) tunnels, \(behind) not there.")
        if behind > 0 || !invalid.isEmpty { throw ExitCode(1) }
    }

    private func cells(_ tunnel: JSONValue) -> [String] {
        func word(_ name: String) -> String { tunnel[name]?.stringValue ?? "" }
        let name = [word("name"), word("alias"), word("id")].first { !$0.isEmpty } ?? ""
        let why = [word("reason"), word("message")].filter { !$0.isEmpty }.joined(separator: ": ")
        return [name, word("outcome"), word("phase"), why]
    }
}
