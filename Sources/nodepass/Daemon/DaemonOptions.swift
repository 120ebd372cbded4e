import API
import Config
import Glibc
import Reconciler

/// Everything a daemon is started with, from options or from a `master://` URL.
struct DaemonOptions: Sendable {
    /// Files and directories of the manifest; empty for a daemon controlled through its API alone.
    var manifests: [String] = []
    var listen = Endpoint(host: "127.0.0.1", port: 9090)
    var prefix = APIApplication.defaultPrefix
    var tls = TLSMode.off
    var stateDirectory: String
    var log = LogLevel.info
    var logFormat = LogFormat.text
    /// Where installers of NodePass look for the key; nil for nowhere.
    var legacyKeyFile: String?
    /// Whose users may open the Unix socket too; nil for the daemon's own user alone.
    var socketGroup: UInt32?
    /// When false, a tunnel that leaves the manifest is kept, whatever the manifest's policy says.
    var isPruning = true
    /// Exit at start when any tunnel is invalid.
    var isStrict = false
    var resetsState = false
    /// How long a stop may take; nil is decided then.
    var shutdownTimeout: Duration?
    /// What tunnels created through the API inherit from a `master://` URL.
    var defaults = MasterDefaults()

    /// The Unix socket, where the API needs no key.
    static func socket(in directory: String) -> String { directory + "/nodepass.sock" }

    /// `--state-dir`, `$NODEPASS_STATE_DIR`, `$STATE_DIRECTORY` (systemd), or the user's own
    /// directory.
    static func stateDirectory(_ option: String?, environment: [String: String]) -> String {
        if let option { return option }
        if let set = environment["NODEPASS_STATE_DIR"], !set.isEmpty { return set }
        if let given = environment["STATE_DIRECTORY"]?.split(separator: ":").first { return String(given) }
        if geteuid() == 0 { return "/var/lib/nodepass" }
        let home = environment["HOME"] ?? "."
        return (environment["XDG_STATE_HOME"] ?? home + "/.local/state") + "/nodepass"
    }

    static func log(named name: String) throws(CommandFailure) -> LogLevel {
        guard let level = LogLevel(rawValue: name) else {
            let known = LogLevel.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandFailure(message: "--log: '\(name)' is not a level; use one of \(known)", isUsage: true)
        }
        return level
    }
}
