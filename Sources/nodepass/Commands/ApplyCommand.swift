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

    @Flag(help: "Apply it also when it deletes more tunnels than policy.maxDeletes allows.")
    var confirm = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        guard let wait = GoDuration.parse(timeout), wait > .zero else {
            throw CommandFailure(message: "--timeout: '\(timeout)' is not a duration; write 30s or 2m")
        }
        let path = "/reconcile?wait=\(GoDuration.text(wait))" + (confirm ? "&confirm=true" : "")
        let outcome = try await connection.client.post(path, patience: wait, as: OutcomeView.self)
        let tunnels = outcome.tunnels
        if !tunnels.isEmpty { Output.line(TextTable.aligned(tunnels.map(cells))) }
        for name in outcome.invalid {
            Output.error(
                "\(name): the declaration is invalid, so the tunnel was not changed; `nodepass plan` shows why"
            )
        }
        Output.line("Revision \(outcome.revision): \(Self.readiness(outcome.behind, of: tunnels.count)).")
        if outcome.behind > 0 || !outcome.invalid.isEmpty { throw ExitCode(1) }
    }

    /// `4 tunnels as declared`, `1 of 4 tunnels not ready`.
    private static func readiness(_ behind: Int64, of count: Int) -> String {
        guard behind > 0 else { return count == 1 ? "1 tunnel as declared" : "\(count) tunnels as declared" }
        return "\(behind) of \(count) tunnels not ready"
    }

    private func cells(_ tunnel: WireObject<OutcomeView.TunnelOutcome>) -> [String] {
        let name = [tunnel.name ?? "", tunnel.alias, tunnel.id].first { !$0.isEmpty } ?? ""
        let why = [tunnel.reason, tunnel.message].filter { !$0.isEmpty }.joined(separator: ": ")
        return [name, tunnel.outcome, tunnel.phase, why]
    }
}
