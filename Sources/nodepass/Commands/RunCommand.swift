import API
import ArgumentParser
import Config
import FoundationEssentials
import Reconciler

/// `nodepass run`: the declarative daemon.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run the tunnels that files declare, and keep them as declared."
    )

    @Option(name: [.customShort("f"), .long], help: "A manifest, or a directory of *.yaml and *.yml (repeatable).")
    var file: [String] = []

    @Option(help: "Where the API listens, HOST:PORT.")
    var listen = "127.0.0.1:9090"

    @Option(help: "The API's path, before /v1.")
    var prefix = APIApplication.defaultPrefix

    @Option(help: "TLS of the API: off, self-signed, or CERT,KEY.")
    var tls = "off"

    @Option(help: "Where state.db and the control socket are kept.")
    var stateDir: String?

    @Option(help: "none, debug, info, warn, error or event.")
    var log = "info"

    @Flag(help: "Keep tunnels that leave the manifest.")
    var noPrune = false

    @Flag(help: "Exit at start when any tunnel is invalid.")
    var strict = false

    @Flag(help: "Begin with an empty state when the present one can not be read; the old one is kept aside.")
    var resetState = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        var options = DaemonOptions(
            stateDirectory: DaemonOptions.stateDirectory(stateDir, environment: environment)
        )
        do throws(Endpoint.ParseError) {
            options.listen = try Endpoint(listen)
        } catch {
            throw CommandFailure(message: "--listen: \(error.problem)")
        }
        options.manifests = file
        options.prefix = prefix
        options.tls = try parsedTLS()
        options.log = try DaemonOptions.log(named: log)
        options.isPruning = !noPrune
        options.isStrict = strict
        options.resetsState = resetState
        try await Daemon.run(options)
    }

    private func parsedTLS() throws(CommandFailure) -> TLSMode {
        switch tls {
        case "off": return .off
        case "self-signed": return .selfSigned
        default:
            let paths = tls.split(separator: ",", omittingEmptySubsequences: false)
            guard paths.count == 2, !paths[0].isEmpty, !paths[1].isEmpty else {
                throw CommandFailure(message: "--tls: '\(tls)' is none of off, self-signed, CERT,KEY")
            }
            return .files(certificate: String(paths[0]), key: String(paths[1]))
        }
    }
}
