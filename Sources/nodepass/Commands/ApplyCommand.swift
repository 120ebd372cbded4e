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

    @Option(name: [.customShort("f"), .customLong("file")], help: .hidden)
    var file: [String] = []

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        guard file.isEmpty else {
            throw CommandFailure(
                message: "apply takes no files: put them where the daemon reads them, then run `nodepass apply`; "
                    + "`nodepass plan -f` shows before what they would change",
                isUsage: true
            )
        }
        let wait = try DurationText.positive(timeout, "--timeout")
        let path = "/reconcile?wait=\(GoDuration.text(wait))" + (confirm ? "&confirm=true" : "")
        let outcome = try await connection.client.post(path, patience: wait, as: OutcomeView.self)
        let tunnels = outcome.tunnels
        // Those that failed stand last, where a reader of many looks.
        let ordered = tunnels.filter { !Self.isBehind($0) } + tunnels.filter(Self.isBehind)
        if !tunnels.isEmpty { Output.line(TextTable.aligned(ordered.map(cells))) }
        for name in outcome.invalid {
            Output.error(
                "\(name): the declaration is invalid, so the tunnel was not changed; `nodepass plan` shows why"
            )
        }
        Output.line("\(Self.summary(tunnels)) (revision \(outcome.revision)).")
        if outcome.behind > 0 || !outcome.invalid.isEmpty { throw ExitCode(1) }
    }

    private static func isBehind(_ tunnel: WireObject<OutcomeView.TunnelOutcome>) -> Bool {
        ["failed", "pending"].contains(tunnel.outcome)
    }

    /// `298 of 300 tunnels applied, 2 not: billing-010, search-044`.
    private static func summary(_ tunnels: [WireObject<OutcomeView.TunnelOutcome>]) -> String {
        let behind = tunnels.filter(isBehind)
        guard !behind.isEmpty else {
            return tunnels.count == 1 ? "1 tunnel applied" : "\(tunnels.count) tunnels applied"
        }
        let names = behind.prefix(namesShown).map(name).joined(separator: ", ")
        let rest = behind.count > namesShown ? " and \(behind.count - namesShown) more" : ""
        let applied = "\(tunnels.count - behind.count) of \(tunnels.count) tunnels applied"
        return PlainText.line("\(applied), \(behind.count) not: \(names)\(rest)")
    }

    private static let namesShown = 10

    private static func name(_ tunnel: WireObject<OutcomeView.TunnelOutcome>) -> String {
        [tunnel.name ?? "", tunnel.alias, tunnel.id].first { !$0.isEmpty } ?? ""
    }

    private func cells(_ tunnel: WireObject<OutcomeView.TunnelOutcome>) -> [String] {
        let why = [tunnel.reason, tunnel.message].filter { !$0.isEmpty }.joined(separator: ": ")
        return [Self.name(tunnel), tunnel.outcome, tunnel.phase, why]
    }
}
