import ArgumentParser
import Config
import FoundationEssentials
import Reconciler

/// `nodepass "master://…"`: NodePass's own way to start a daemon, with the options of `run` beside
/// the URL.
struct MasterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nodepass",
        abstract: "Run a daemon whose API is where the URL says.",
        usage: "nodepass \"master://HOST:PORT/PREFIX?log=…&tls=…\" [OPTIONS]",
        discussion: """
            The URL's parameters are log, tls (0, 1 or 2), crt, key, manifest and state. An option wins over the \
            parameter that says the same. The daemon's log level and TLS are also those of the tunnels that the \
            API creates, unless their URL says otherwise.
            """
    )

    @Argument(help: "master://HOST:PORT/PREFIX")
    var url: String

    @OptionGroup var arguments: DaemonArguments

    func run() async throws {
        do {
            try await Daemon.run(try options(environment: ProcessInfo.processInfo.environment))
        } catch {
            throw CommandFailure(startingFailed: error, logFormat: arguments.logFormat)
        }
    }

    private func options(environment: [String: String]) throws(CommandFailure) -> DaemonOptions {
        let master = try MasterURL(url)
        for name in master.unknown {
            let text = "master URL: the parameter '\(name)' is unknown; `--help` lists the options that go with it"
            let format = LogFormat(namedIfKnown: arguments.logFormat)
            Output.error(LogStyle.lineForPrograms(.warn, text, format) ?? "Warning: \(text)")
        }
        var options = master.options(stateDirectory: arguments.stateDir, environment: environment)
        try arguments.apply(to: &options)
        if arguments.log != nil { options.defaults.log = options.log }
        if arguments.tls != nil { handDownTLS(&options) }
        return options
    }

    /// Tunnels of the API inherit the TLS of the option, as they do that of the URL.
    private func handDownTLS(_ options: inout DaemonOptions) {
        options.defaults.tls = options.tls.code
        guard case .files(let certificate, let key) = options.tls else { return }
        options.defaults.certificate = certificate
        options.defaults.key = key
    }
}
