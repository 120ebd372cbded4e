import ArgumentParser
import Config

/// `nodepass "server://…"` and `nodepass "client://…"`: one tunnel, as NodePass is started.
struct ForegroundCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodepass",
        abstract: "Run one tunnel in the foreground until a signal stops it.",
        usage: "nodepass \"server://KEY@HOST:PORT/TARGET?PARAMETERS\" [OPTIONS]",
        discussion: """
            Exits 1 when the tunnel can never run. For several tunnels, for changes while they run, and for the API \
            use `nodepass run`.
            """
    )

    @Argument(help: "server://… or client://…")
    var url: String

    @Option(help: "Log level instead of the URL's: none, debug, info, warn, error or event.")
    var log: String?

    @Option(help: "Form of the log: text (the default) or json.")
    var logFormat: String?

    @Option(help: "Has no effect: a single tunnel keeps no state.")
    var stateDir: String?

    @Option(help: "How long connections may take to finish at a stop; at most the tunnel's drain.")
    var shutdownTimeout: String?

    func validate() throws {
        if let problem = TunnelScheme.problem(url) { throw ValidationError(problem) }
    }

    func run() async throws {
        let output = LogOutput(try LogFormat(named: logFormat))
        do {
            let limit = try shutdownTimeout.map(DaemonArguments.shutdownTimeout)
            try await ForegroundTunnel.run(try spec(output), output, shutdownTimeout: limit)
        } catch {
            await output.flush()
            throw CommandFailure(startingFailed: error, logFormat: logFormat)
        }
        await output.flush()
    }

    private func spec(_ output: LogOutput) throws(CommandFailure) -> TunnelSpec {
        var spec: TunnelSpec
        do throws(TunnelURLError) {
            let (parsed, diagnostics) = try TunnelURL.parse(url)
            for diagnostic in diagnostics { output.print(.warn, diagnostic.description) }
            spec = parsed
        } catch {
            let problems = error.diagnostics.map(\.description).joined(separator: "; ")
            throw CommandFailure(message: problems, showsUsage: true)
        }
        if let log { spec.log = try DaemonOptions.log(named: log) }
        return spec
    }
}
