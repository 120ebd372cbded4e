import ArgumentParser
import Config
import Glibc

/// The options of a daemon, however it is started: with `run`, or with a `master://` URL.
struct DaemonArguments: ParsableArguments {
    @Option(name: [.customShort("f"), .long], help: "A manifest, or a directory of *.yaml and *.yml (repeatable).")
    var file: [String] = []

    @Option(help: "Where state.db and the Unix socket are ($NODEPASS_STATE_DIR).")
    var stateDir: String?

    @Option(help: "TLS of the API: off (the default), self-signed, or CERT,KEY.")
    var tls: String?

    @Option(help: "Log level: none, debug, info (the default), warn, error or event.")
    var log: String?

    @Option(help: "Form of the log: text (the default) or json.")
    var logFormat: String?

    @Option(help: "Also keep the API key in this file, where NodePass's scripts look for it: gob/nodepass.gob.")
    var legacyKeyFile: String?

    @Option(help: "Users of this group may use the Unix socket, and so control the daemon, besides its own user.")
    var socketGroup: String?

    @Flag(help: "Keep tunnels that leave the manifest.")
    var noPrune = false

    @Flag(help: "Exit at start when a tunnel is invalid or the API cannot listen.")
    var strict = false

    @Flag(help: "Start with an empty state when the state cannot be read; the old file is kept under another name.")
    var resetState = false

    @Option(
        help: "How long a stop may take (the longest drain; at most 8s in a container or as process 1)."
    )
    var shutdownTimeout: String?

    /// Changes what the options say; the rest stays as it is.
    func apply(to options: inout DaemonOptions) throws(CommandFailure) {
        if !file.isEmpty { options.manifests = file }
        if let tls { options.tls = try Self.tls(tls) }
        if let log { options.log = try DaemonOptions.log(named: log) }
        options.logFormat = try LogFormat(named: logFormat)
        options.legacyKeyFile = legacyKeyFile
        if let socketGroup { options.socketGroup = try Self.group(socketGroup) }
        options.isPruning = !noPrune
        options.isStrict = strict
        options.resetsState = resetState
        if let shutdownTimeout { options.shutdownTimeout = try Self.shutdownTimeout(shutdownTimeout) }
    }

    static func shutdownTimeout(_ text: String) throws(CommandFailure) -> Duration {
        guard let limit = GoDuration.parse(text) else {
            let problem = "'\(text)' is not a duration; write 8s or 1m30s"
            throw CommandFailure(message: "--shutdown-timeout: \(problem)", isUsage: true)
        }
        return limit
    }

    private static func group(_ name: String) throws(CommandFailure) -> UInt32 {
        if let group = getgrnam(name) { return group.pointee.gr_gid }
        throw CommandFailure(message: "--socket-group: there is no group '\(name)'", isUsage: true)
    }

    private static func tls(_ text: String) throws(CommandFailure) -> TLSMode {
        switch text {
        case "off": return .off
        case "self-signed": return .selfSigned
        default:
            let paths = text.split(separator: ",", omittingEmptySubsequences: false)
            guard paths.count == 2, !paths[0].isEmpty, !paths[1].isEmpty else {
                let problem = "'\(text)' is not one of off, self-signed, CERT,KEY"
                throw CommandFailure(message: "--tls: \(problem)", isUsage: true)
            }
            return .files(certificate: String(paths[0]), key: String(paths[1]))
        }
    }
}
