import ArgumentParser
import FoundationEssentials

/// Which daemon a command talks to.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "State directory of the daemon on this machine ($NODEPASS_STATE_DIR).")
    var stateDir: String?

    @Option(help: "A remote daemon, http://HOST:PORT/PREFIX ($NODEPASS_SERVER).")
    var server: String?

    @Option(help: "API key of the remote daemon ($NODEPASS_API_KEY); the Unix socket needs none.")
    var apiKey: String?

    var client: ControlClient {
        let environment = ProcessInfo.processInfo.environment
        if let server = server ?? environment["NODEPASS_SERVER"], !server.isEmpty {
            return ControlClient(.server(server, key: apiKey ?? environment["NODEPASS_API_KEY"] ?? ""))
        }
        let directory = DaemonOptions.stateDirectory(stateDir, environment: environment)
        return ControlClient(.socket(DaemonOptions.socket(in: directory)))
    }
}
