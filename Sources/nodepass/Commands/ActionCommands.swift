import API
import ArgumentParser
import Config

/// Which tunnels an action is for.
struct TunnelOptions: ParsableArguments {
    @OptionGroup var selection: TunnelSelection

    @Flag(name: [.customShort("y"), .long], help: "Do not ask, however many tunnels it is for.")
    var yes = false

    @OptionGroup var why: NoteOptions
    @OptionGroup var connection: ConnectionOptions

    /// Does something with each chosen tunnel, and prints what it returns; goes on after one that fails.
    func forEach(
        to action: String,
        _ body: (InstanceRow, ControlClient) async throws -> String
    ) async throws {
        let client = try connection.client
        let chosen = try await selection.required(from: client, to: action, isConfirmed: yes)
        try await EachTunnel.perform(chosen, name: InstanceText.name) { try await body($0, client) }
    }

    /// Returns the tunnel as it is then.
    func patch(_ action: String, _ path: String, _ client: ControlClient) async throws -> InstanceRow {
        try await client.patch(path, .object([JSONValue.Member("action", .string(action))] + why.members))
    }
}

/// Which tunnels an action is for, and how long it overrides the manifest.
struct ActionOptions: ParsableArguments {
    @OptionGroup var tunnels: TunnelOptions

    @Option(
        name: .customLong("for"),
        help: "Undo this automatically after a while, such as 30m; without it, it lasts until `nodepass release`."
    )
    var lifetime: String?

    /// The lifetime as a parameter of a request.
    func parameters() throws(CommandFailure) -> [QueryParameter] {
        guard let lifetime else { return [] }
        let duration = try DurationText.positive(lifetime, "--for")
        return [QueryParameter(name: "ttl", value: GoDuration.text(duration))]
    }

    /// `word` says what a tunnel does now.
    func perform(_ action: String, _ word: String) async throws {
        let lifetime = try parameters().first.map { "?ttl=\($0.value)" } ?? ""
        try await tunnels.forEach(to: action) { row, client in
            let row = try await tunnels.patch(action, "/instances/\(row.id)\(lifetime)", client)
            return "\(InstanceText.name(row)): \(word)\(InstanceText.overridden(row))"
        }
    }
}

/// Reads durations of options.
enum DurationText {
    static func positive(_ text: String, _ option: String) throws(CommandFailure) -> Duration {
        guard let duration = GoDuration.parse(text), duration > .zero else {
            throw CommandFailure(message: "\(option): '\(text)' is not a duration; write 30m or 2h", isUsage: true)
        }
        return duration
    }
}

/// Works through several tunnels: one that fails does not keep the rest from their turn.
enum EachTunnel {
    static func perform<Tunnel>(
        _ tunnels: [Tunnel],
        name: (Tunnel) -> String,
        _ body: (Tunnel) async throws -> String
    ) async throws {
        var failures = 0
        var progress = Progress(total: tunnels.count)
        for tunnel in tunnels {
            progress.advance()
            do {
                let line = try await body(tunnel)
                progress.clear()
                Output.line(PlainText.line(line))
            } catch let failure as CommandFailure where tunnels.count > 1 {
                progress.clear()
                Output.error(PlainText.lines("Error: \(name(tunnel)): \(failure.message)"))
                failures += 1
            }
        }
        progress.clear()
        guard failures == 0 else {
            throw CommandFailure(message: "\(failures) of \(tunnels.count) tunnels failed")
        }
    }
}

/// `nodepass start NAME…`.
struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "start", abstract: "Run tunnels.")
    @OptionGroup var options: ActionOptions
    func run() async throws { try await options.perform("start", "starting") }
}

/// `nodepass stop NAME…`.
struct StopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Stop tunnels; their connections have until the drain limit to finish."
    )
    @OptionGroup var options: ActionOptions
    func run() async throws { try await options.perform("stop", "stopping") }
}

/// `nodepass restart NAME…`.
struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "Stop tunnels and run them again."
    )
    @OptionGroup var options: ActionOptions
    func run() async throws { try await options.perform("restart", "restarting") }
}

/// `nodepass reset NAME…`.
struct ResetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Set the traffic counters of tunnels to zero."
    )
    @OptionGroup var options: TunnelOptions

    func run() async throws {
        try await options.forEach(to: "reset") { row, client in
            let row = try await options.patch("reset", "/instances/\(row.id)", client)
            return "\(InstanceText.name(row)): counters reset"
        }
    }
}

/// `nodepass delete NAME…`.
struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete tunnels; a declared one stays deleted until it is released or its declaration is edited."
    )
    @OptionGroup var options: ActionOptions

    func run() async throws {
        let query = options.tunnels.why.query(try options.parameters())
        try await options.tunnels.forEach(to: "delete") { row, client in
            try await client.delete("/instances/\(row.id)\(query)")
            return "\(InstanceText.name(row)): deleted" + (try await Self.rest(row, client))
        }
    }

    /// How a declared tunnel comes back, and when it does so by itself.
    private static func rest(_ row: InstanceRow, _ client: ControlClient) async throws -> String {
        guard row.origin == "manifest" else { return "" }
        let hidden = try await client.status().hidden.first { $0.id == row.id }
        let end = hidden?.until.map { " until \(InstanceText.time($0))" } ?? ""
        let place = row.source.map { " at \($0)" } ?? ""
        return "\(end). Still declared\(place); `nodepass release \(InstanceText.name(row))` brings it back."
    }
}

/// `nodepass forget-peer NAME…`.
struct ForgetPeerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget-peer",
        abstract: "Accept a peer without the sealed handshake again, after a PeerDowngraded."
    )
    @OptionGroup var options: TunnelOptions

    func run() async throws {
        try await options.forEach(to: "forget the peer of") { row, client in
            "\(InstanceText.name(try await client.forgetPeer(row.id, query: options.why.query()))): peer forgotten"
        }
    }
}

/// `nodepass release NAME…|--all`.
struct ReleaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "Remove overrides and return to what the manifest says."
    )

    @Argument(
        help: "Names or ids of tunnels; * and ? match as in a shell.",
        completion: .shellCommand("nodepass get --overridden -o name 2>/dev/null")
    )
    var names: [String] = []

    @Flag(help: "Release every override.")
    var all = false

    @Flag(name: [.customShort("y"), .long], help: "Do not ask, however many tunnels it is for.")
    var yes = false

    @OptionGroup var why: NoteOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if names.isEmpty != all { throw ValidationError("name tunnels, or use --all") }
    }

    func run() async throws {
        let client = try connection.client
        let chosen = try await overridden(client)
        try Confirmation.ask("release", chosen.map(\.name), isConfirmed: yes)
        try await EachTunnel.perform(chosen, name: \.name) { tunnel in
            try await client.delete("/instances/\(tunnel.id)/override" + why.query())
            return "\(tunnel.name): released"
        }
    }

    /// From the manifest's overrides: the list of instances has no deleted tunnels.
    private func overridden(_ client: ControlClient) async throws -> [WireObject<PlanView.Overridden>] {
        let rows = try await client.get("/manifest", as: ManifestView.self).overridden
        guard !all else { return rows }
        var ids: Set<String> = []
        for name in names {
            let matching = rows.filter { $0.id == name || Glob.matches($0.name, name) }
            guard !matching.isEmpty else {
                throw CommandFailure(
                    message: "no declared tunnel '\(name)' is overridden; `nodepass plan` lists those that are"
                )
            }
            ids.formUnion(matching.map(\.id))
        }
        return rows.filter { ids.contains($0.id) }
    }
}
