import API
import ArgumentParser
import Config

/// Which tunnel an action is for.
struct TunnelOptions: ParsableArguments {
    @Argument(help: "The tunnel's name, id or unique alias.")
    var name: String

    @OptionGroup var why: NoteOptions
    @OptionGroup var connection: ConnectionOptions

    func path(_ client: ControlClient) async throws -> String {
        "/instances/" + (try GetCommand.find(name, in: try await client.instances()).id)
    }

    /// Returns the tunnel as it is then.
    func patch(_ action: String, _ path: String, _ client: ControlClient) async throws -> InstanceRow {
        try await client.patch(path, .object([JSONValue.Member("action", .string(action))] + why.members))
    }
}

/// Which tunnel an action is for, and how long it overrides the manifest.
struct ActionOptions: ParsableArguments {
    @OptionGroup var tunnel: TunnelOptions

    @Option(
        name: .customLong("for"),
        help: "How long this overrides the manifest, such as 30m; without it until released."
    )
    var lifetime: String?

    /// The lifetime as a parameter of a request.
    func parameters() throws(CommandFailure) -> [QueryParameter] {
        guard let lifetime else { return [] }
        guard let duration = GoDuration.parse(lifetime), duration > .zero else {
            throw CommandFailure(message: "--for: '\(lifetime)' is not a duration; write 30m or 2h")
        }
        return [QueryParameter(name: "ttl", value: GoDuration.text(duration))]
    }

    /// `word` says what the tunnel does now.
    func perform(_ action: String, _ word: String) async throws {
        let client = tunnel.connection.client
        let lifetime = try parameters().first.map { "?ttl=\($0.value)" } ?? ""
        let row = try await tunnel.patch(action, try await tunnel.path(client) + lifetime, client)
        Output.line(PlainText.line("\(InstanceText.name(row)): \(word)\(InstanceText.overridden(row))"))
    }
}

/// `nodepass start NAME`.
struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "start", abstract: "Run a tunnel.")
    @OptionGroup var options: ActionOptions
    func run() async throws { try await options.perform("start", "starting") }
}

/// `nodepass stop NAME`.
struct StopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Stop a tunnel; its connections have until its drain limit to finish."
    )
    @OptionGroup var options: ActionOptions
    func run() async throws { try await options.perform("stop", "stopping") }
}

/// `nodepass restart NAME`.
struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "restart", abstract: "Stop a tunnel and run it again.")
    @OptionGroup var options: ActionOptions
    func run() async throws { try await options.perform("restart", "restarting") }
}

/// `nodepass reset NAME`.
struct ResetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reset",
        abstract: "Set a tunnel's traffic counters to zero."
    )
    @OptionGroup var options: TunnelOptions

    func run() async throws {
        let client = options.connection.client
        let row = try await options.patch("reset", try await options.path(client), client)
        Output.line(PlainText.line("\(InstanceText.name(row)): counters reset"))
    }
}

/// `nodepass delete NAME`.
struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a tunnel; a declared one stays deleted until it is released or its declaration is edited."
    )
    @OptionGroup var options: ActionOptions

    func run() async throws {
        let client = options.tunnel.connection.client
        let row = try GetCommand.find(options.tunnel.name, in: try await client.instances())
        let query = options.tunnel.why.query(try options.parameters())
        try await client.delete(try await options.tunnel.path(client) + query)
        let lasts = row.origin != "manifest" ? "" : ", overrides the manifest until released or edited"
        Output.line(PlainText.line("\(InstanceText.name(row)): deleted\(options.lifetime == nil ? lasts : "")"))
    }
}

/// `nodepass forget-peer NAME`.
struct ForgetPeerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forget-peer",
        abstract: "Accept an other end without the sealed handshake again, after a PeerDowngraded."
    )

    @Argument(help: "The tunnel's name, id or unique alias.")
    var name: String

    @OptionGroup var why: NoteOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = connection.client
        let id = try GetCommand.find(name, in: try await client.instances()).id
        let row = try await client.forgetPeer(id, query: why.query())
        Output.line("\(InstanceText.name(row)): peer forgotten")
    }
}

/// `nodepass release NAME|--all`.
struct ReleaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "release",
        abstract: "End overrides: the manifest applies again."
    )

    @Argument(help: "The tunnel's name or id.")
    var name: String?

    @Flag(help: "Release every override.")
    var all = false

    @OptionGroup var why: NoteOptions
    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if (name == nil) != all { throw ValidationError("name one tunnel, or use --all") }
    }

    func run() async throws {
        let client = connection.client
        for tunnel in try await overridden(client) {
            try await client.delete("/instances/\(tunnel.id)/override" + why.query())
            Output.line(PlainText.line("\(tunnel.name): released"))
        }
    }

    /// From the manifest's overrides: the list of instances has no deleted tunnels.
    private func overridden(_ client: ControlClient) async throws -> [WireObject<PlanView.Overridden>] {
        let all = try await client.get("/manifest", as: ManifestView.self).overridden
        guard let name else { return all }
        let chosen = all.filter { $0.name == name || $0.id == name }
        guard !chosen.isEmpty else {
            throw CommandFailure(
                message: "no declared tunnel '\(name)' is overridden; `nodepass plan` lists those that are"
            )
        }
        return chosen
    }
}
