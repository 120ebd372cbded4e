import ArgumentParser
import Config
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
            // A variable of a file that Windows wrote ends with a carriage return.
            let key = InputText.value(apiKey ?? environment["NODEPASS_API_KEY"] ?? "")
            return ControlClient(.server(InputText.value(server), key: key))
        }
        let directory = DaemonOptions.stateDirectory(stateDir, environment: environment)
        return ControlClient(.socket(DaemonOptions.socket(in: directory)))
    }
}
