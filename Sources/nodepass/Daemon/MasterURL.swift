import API
import Config
import Reconciler

/// `master://host:port[/prefix]?log=&tls=&crt=&key=`, and ours: `manifest=PATH`, `state=DIR`.
struct MasterURL {
    let listen: Endpoint
    let prefix: String
    let tls: TLSMode
    private let parameters: [String: String]
    /// Names of parameters that mean nothing here.
    let unknown: [String]

    private static let known: Set = ["log", "tls", "crt", "key", "manifest", "state"]

    init(_ text: String) throws(CommandFailure) {
        let (front, query) = Self.split(text.dropFirst("master://".count), at: "?")
        let (authority, prefix) = Self.split(front, at: "/")
        do throws(Endpoint.ParseError) {
            listen = try Endpoint(String(authority))
        } catch {
            throw CommandFailure(message: "master URL: \(error.problem)", showsUsage: true)
        }
        self.prefix = "/" + prefix
        parameters = Dictionary(QueryString(query).parameters.map { ($0.name, $0.value) }) { $1 }
        unknown = parameters.keys.filter { !Self.known.contains($0) }.sorted()
        tls = try Self.tls(parameters)
    }

    /// What the URL says, with a state directory that an option may name instead.
    func options(stateDirectory option: String?, environment: [String: String]) -> DaemonOptions {
        let directory = DaemonOptions.stateDirectory(option ?? parameters["state"], environment: environment)
        var options = DaemonOptions(stateDirectory: directory)
        options.listen = listen
        options.prefix = prefix
        options.manifests = parameters["manifest"].map { [$0] } ?? []
        if let name = parameters["log"], !name.isEmpty {
            options.log = LogLevel(rawValue: name) ?? .info
            options.defaults.log = options.log
        }
        options.tls = tls
        options.defaults.tls = tls.code
        options.defaults.certificate = parameters["crt"]
        options.defaults.key = parameters["key"]
        return options
    }

    private static func tls(_ parameters: [String: String]) throws(CommandFailure) -> TLSMode {
        switch parameters["tls"] {
        case nil, "", "0": return .off
        case "1": return .selfSigned
        case "2":
            guard let certificate = parameters["crt"], let key = parameters["key"] else {
                throw CommandFailure(message: "master URL: tls=2 needs crt=PATH and key=PATH", showsUsage: true)
            }
            return .files(certificate: certificate, key: key)
        case .some(let value):
            throw CommandFailure(message: "master URL: tls=\(value) is not one of 0, 1, 2", showsUsage: true)
        }
    }

    private static func split(_ text: Substring, at separator: Character) -> (Substring, Substring) {
        guard let index = text.firstIndex(of: separator) else { return (text, "") }
        return (text[..<index], text[text.index(after: index)...])
    }
}
