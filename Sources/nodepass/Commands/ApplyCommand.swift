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

    @Flag(help: "Wait for the other ends of tunnels, too, and exit 1 when one does not come in time.")
    var waitReady = false

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
        let outcome = try await outcome(within: wait)
        let tunnels = outcome.tunnels
        // Those that failed stand last, where a reader of many looks.
        let ordered = tunnels.filter { !isBehind($0) } + tunnels.filter(isBehind)
        if !tunnels.isEmpty { Output.line(TextTable.aligned(ordered.map(cells))) }
        for name in outcome.invalid {
            Output.error(
                "\(name): the declaration is invalid, so the tunnel was not changed; `nodepass plan` shows why"
            )
        }
        Output.line("\(summary(tunnels)) (revision \(outcome.revision)).")
        if tunnels.contains(where: isBehind) || !outcome.invalid.isEmpty { throw ExitCode(1) }
    }

    /// The daemon answers when it has done its part; for the other ends it is asked again until the time is over.
    private func outcome(within limit: Duration) async throws -> WireObject<OutcomeView> {
        let client = try connection.client
        let end = ContinuousClock.now + limit
        while true {
            let rest = max(end - ContinuousClock.now, Self.shortestWait)
            let path = "/reconcile?wait=\(GoDuration.text(rest))" + (confirm ? "&confirm=true" : "")
            let outcome = try await client.post(path, patience: rest, as: OutcomeView.self)
            let isWaiting = waitReady && outcome.tunnels.contains { $0.outcome == Self.waiting }
            guard isWaiting, ContinuousClock.now < end else { return outcome }
            try await Task.sleep(for: Self.shortestWait)
        }
    }

    private static let shortestWait = Duration.milliseconds(200)
    private static let waiting = "waiting"

    private func isBehind(_ tunnel: WireObject<OutcomeView.TunnelOutcome>) -> Bool {
        ["failed", "pending"].contains(tunnel.outcome) || waitReady && tunnel.outcome == Self.waiting
    }

    /// `298 of 300 tunnels applied, 2 not: billing-010, search-044`.
    private func summary(_ tunnels: [WireObject<OutcomeView.TunnelOutcome>]) -> String {
        let behind = tunnels.filter(isBehind)
        guard !behind.isEmpty else {
            return tunnels.count == 1 ? "1 tunnel applied" : "\(tunnels.count) tunnels applied"
        }
        let names = behind.prefix(Self.namesShown).map(Self.name).joined(separator: ", ")
        let rest = behind.count > Self.namesShown ? " and \(behind.count - Self.namesShown) more" : ""
        let applied = "\(tunnels.count - behind.count) of \(tunnels.count) tunnels applied"
        return PlainText.line("\(applied), \(behind.count) not: \(names)\(rest)")
    }

    private static let namesShown = 10

    private static func name(_ tunnel: WireObject<OutcomeView.TunnelOutcome>) -> String {
        [tunnel.name ?? "", tunnel.alias, tunnel.id].first { !$0.isEmpty } ?? ""
    }

    private func cells(_ tunnel: WireObject<OutcomeView.TunnelOutcome>) -> [String] {
        let why = [tunnel.reason, tunnel.message].filter { !$0.isEmpty }.joined(separator: ": ")
        return [InstanceText.short(Self.name(tunnel)), tunnel.outcome, tunnel.phase, why]
    }
}
