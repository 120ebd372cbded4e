import API
import ArgumentParser
import Config

/// `nodepass apply`: a running daemon reads its manifest now; waits until its tunnels are as
/// declared.
struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract:
            "Apply the daemon's manifest as it is on disk now, and wait; exits 1 when a tunnel fails or is not ready in time."
    )

    @Option(help: "How long to wait.")
    var timeout = "30s"

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        guard let wait = GoDuration.parse(timeout), wait > .zero else {
            throw CommandFailure(message: "--timeout: '\(timeout)' is not a duration; write 30s or 2m")
        }
        let answer = try await connection.client.post("/reconcile?wait=\(GoDuration.text(wait))", patience: wait)
        let tunnels = answer["tunnels"]?.items ?? []
        if !tunnels.isEmpty { Output.line(TextTable.aligned(tunnels.map(cells))) }
        let invalid = (answer["invalid"]?.items ?? []).compactMap(\.stringValue)
        for name in invalid {
            Output.error(
                "\(name): the declaration is invalid, so the tunnel was not changed; `nodepass plan` shows why"
            )
        }
        let behind = answer["behind"]?.intValue ?? 0
        Output.line("Revision \(answer["revision"]?.stringValue ?? ""): \(Self.outcome(behind, of: tunnels.count)).")
        if behind > 0 || !invalid.isEmpty { throw ExitCode(1) }
    }

    /// `4 tunnels ready`, `1 of 4 tunnels not ready`.
    private static func outcome(_ behind: Int64, of count: Int) -> String {
        guard behind > 0 else { return count == 1 ? "1 tunnel as declared" : "\(count) tunnels as declared" }
        return "\(behind) of \(count) tunnels not ready"
    }

    private func cells(_ tunnel: JSONValue) -> [String] {
        func word(_ name: String) -> String { tunnel[name]?.stringValue ?? "" }
        let name = [word("name"), word("alias"), word("id")].first { !$0.isEmpty } ?? ""
        let why = [word("reason"), word("message")].filter { !$0.isEmpty }.joined(separator: ": ")
        return [name, word("outcome"), word("phase"), why]
    }
}
