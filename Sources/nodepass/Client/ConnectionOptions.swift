import ArgumentParser
import FoundationEssentials

/// Which daemon a command talks to.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "State directory of the daemon on this machine ($NODEPASS_STATE_DIR).")
    var stateDir: String?

    @Option(help: "A daemon elsewhere, http://HOST:PORT/PREFIX ($NODEPASS_SERVER).")
    var server: String?

    @Option(help: "Its API key ($NODEPASS_API_KEY).")
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
