import API
import ArgumentParser
import Config
import FoundationEssentials

/// Which daemon a command talks to.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "A context of ~/.config/nodepass/config.yaml ($NODEPASS_CONTEXT).")
    var context: String?

    @Option(help: "State directory of the daemon on this machine ($NODEPASS_STATE_DIR).")
    var stateDir: String?

    @Option(help: "A remote daemon, HOST:PORT or https://HOST:PORT/PREFIX ($NODEPASS_SERVER).")
    var server: String?

    @Option(help: "API key of the remote daemon ($NODEPASS_API_KEY); the Unix socket needs none.")
    var apiKey: String?

    @Option(help: "PEM file of the authority that signed the remote daemon's certificate ($NODEPASS_CA_FILE).")
    var caFile: String?

    @Option(help: "Fingerprint of the remote daemon's certificate, sha256:… ($NODEPASS_FINGERPRINT).")
    var fingerprint: String?

    @Flag(help: "Accept any certificate of the remote daemon ($NODEPASS_INSECURE=1).")
    var insecure = false

    func validate() throws {
        let places = [("--context", context), ("--server", server), ("--state-dir", stateDir)].filter { $0.1 != nil }
        if places.count > 1 {
            throw ValidationError("\(places[0].0) and \(places[1].0) each name a daemon: give one of them")
        }
        let trusts = [("--ca-file", caFile), ("--fingerprint", fingerprint), ("--insecure", insecure ? "" : nil)]
            .filter { $0.1 != nil }
        if trusts.count > 1 { throw ValidationError("\(trusts[0].0) and \(trusts[1].0) exclude each other") }
    }

    var client: ControlClient {
        get throws(CommandFailure) {
            let environment = ProcessInfo.processInfo.environment
            let choice = try ConnectionChoice(self, environment: environment) { () throws(CommandFailure) in
                try ContextFile.read(environment: environment)
            }
            for warning in choice.warnings { Output.error("Warning: \(warning)") }
            return ControlClient(choice.target)
        }
    }
}

/// The daemon that options, variables and the file of contexts lead to, in this order.
struct ConnectionChoice {
    let target: ControlClient.Target
    var warnings: [String] = []

    /// `contexts` reads the file; it is not asked where the command line or a variable names the daemon.
    init(
        _ options: ConnectionOptions,
        environment: [String: String],
        contexts: () throws(CommandFailure) -> ContextFile
    ) throws(CommandFailure) {
        // A variable of a file that Windows wrote ends with a carriage return.
        func variable(_ name: String) -> String? {
            environment[name].map(InputText.value).flatMap { $0.isEmpty ? nil : $0 }
        }
        let context = try Self.context(options, variable, contexts)
        warnings = context?.warnings ?? []
        let isRemoteByContext = context?.server != nil
        let server = options.server ?? (context == nil ? variable("NODEPASS_SERVER") : context?.server)
        guard options.stateDir == nil, let server, !server.isEmpty else {
            let directory = DaemonOptions.stateDirectory(
                options.stateDir ?? context?.stateDir,
                environment: environment
            )
            target = .socket(DaemonOptions.socket(in: directory))
            return
        }
        let trust = try Self.trust(options, isRemoteByContext ? context : nil, variable)
        if trust == .anything { warnings.append("the certificate of \(server) is not checked (--insecure)") }
        let key = options.apiKey ?? (isRemoteByContext ? context?.apiKey : nil) ?? variable("NODEPASS_API_KEY") ?? ""
        target = .server(try RemoteServer(InputText.value(server), key: InputText.value(key), trust: trust))
    }

    private static func context(
        _ options: ConnectionOptions,
        _ variable: (String) -> String?,
        _ contexts: () throws(CommandFailure) -> ContextFile
    ) throws(CommandFailure) -> Context? {
        guard options.server == nil, options.stateDir == nil else { return nil }
        if let name = options.context ?? variable("NODEPASS_CONTEXT") { return try contexts().context(name) }
        guard variable("NODEPASS_SERVER") == nil, variable("NODEPASS_STATE_DIR") == nil else { return nil }
        return try contexts().chosen
    }

    /// An option wins over the context, and the context over a variable.
    private static func trust(
        _ options: ConnectionOptions,
        _ context: Context?,
        _ variable: (String) -> String?
    ) throws(CommandFailure) -> ServerTrust {
        if let path = options.caFile { return .authorities(path) }
        if let text = options.fingerprint { return try fingerprint(text, "--fingerprint") }
        if options.insecure { return .anything }
        if let trust = context?.trust { return trust }
        if let path = variable("NODEPASS_CA_FILE") { return .authorities(path) }
        if let text = variable("NODEPASS_FINGERPRINT") { return try fingerprint(text, "NODEPASS_FINGERPRINT") }
        if ["1", "true", "yes"].contains(variable("NODEPASS_INSECURE")) { return .anything }
        return variable("SSL_CERT_FILE").map(ServerTrust.authorities) ?? .system
    }

    static func fingerprint(_ text: String, _ place: String) throws(CommandFailure) -> ServerTrust {
        guard let trust = ServerTrust(fingerprint: text) else {
            throw CommandFailure(
                message: "\(place): '\(text)' is not a SHA-256 fingerprint; write sha256: and 64 hex digits"
            )
        }
        return trust
    }
}
