import API
import ArgumentParser
import Config
import FoundationEssentials

/// `nodepass run`: the declarative daemon.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run the tunnels that files declare, and keep them as declared."
    )

    @OptionGroup var arguments: DaemonArguments

    @Option(help: "Where the API listens, HOST:PORT.")
    var listen = "127.0.0.1:9090"

    @Option(help: "The API's path, before /v1.")
    var prefix = APIApplication.defaultPrefix

    func run() async throws {
        do {
            try await Daemon.run(try options(environment: ProcessInfo.processInfo.environment))
        } catch {
            throw CommandFailure(ending: error, logFormat: arguments.logFormat)
        }
    }

    private func options(environment: [String: String]) throws(CommandFailure) -> DaemonOptions {
        let directory = DaemonOptions.stateDirectory(arguments.stateDir, environment: environment)
        var options = DaemonOptions(stateDirectory: directory)
        try arguments.apply(to: &options)
        options.prefix = prefix
        do throws(Endpoint.ParseError) {
            options.listen = try Endpoint(listen)
        } catch {
            throw CommandFailure(message: "--listen: \(error.problem)", isUsage: true)
        }
        return options
    }
}
