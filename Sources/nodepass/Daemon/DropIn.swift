import API
import Config
import FoundationEssentials
import Glibc
import Reconciler

/// What one URL on the command line means: NodePass's own way to be started.
enum DropIn {
    static func run(_ text: String) async -> Int32 {
        do {
            if text.hasPrefix("master://") {
                try await Daemon.run(try options(master: text, environment: ProcessInfo.processInfo.environment))
            } else {
                try await Foreground.run(try tunnel(text))
            }
            return 0
        } catch let failure as BadURL {
            Output.error("Error: start: \(failure.message) [\(getpid())]")
            Output.line(Usage.text)
            return 1
        } catch let failure as CommandFailure {
            Output.error("Error: start: \(failure.message) [\(getpid())]")
            return 1
        } catch {
            Output.error("Error: start: \(error) [\(getpid())]")
            return 1
        }
    }

    /// The URL itself is wrong, so that the usage helps.
    struct BadURL: Error {
        let message: String
    }

    private static func tunnel(_ text: String) throws(BadURL) -> TunnelSpec {
        do throws(TunnelURLError) {
            let (spec, diagnostics) = try TunnelURL.parse(text)
            for diagnostic in diagnostics { LogLine.print(.warn, diagnostic.description) }
            return spec
        } catch {
            throw BadURL(message: error.diagnostics.map(\.description).joined(separator: "; "))
        }
    }

    /// `master://host:port[/prefix]?log=&tls=&crt=&key=`, and ours: `manifest=PATH`, `state=DIR`.
    static func options(master text: String, environment: [String: String]) throws(BadURL) -> DaemonOptions {
        let (front, query) = split(text.dropFirst("master://".count), at: "?")
        let (authority, prefix) = split(front, at: "/")
        let parameters = parameters(of: query)
        var options = DaemonOptions(
            stateDirectory: DaemonOptions.stateDirectory(parameters["state"], environment: environment)
        )
        do throws(Endpoint.ParseError) {
            options.listen = try Endpoint(String(authority))
        } catch {
            throw BadURL(message: "master URL: \(error.problem)")
        }
        options.prefix = "/" + prefix
        options.manifests = parameters["manifest"].map { [$0] } ?? []
        if let name = parameters["log"], !name.isEmpty {
            options.log = LogLevel(rawValue: name) ?? .info
            options.defaults.log = options.log
        }
        options.tls = try tls(parameters)
        options.defaults.tls = options.tls.code
        options.defaults.certificate = parameters["crt"]
        options.defaults.key = parameters["key"]
        return options
    }

    private static func tls(_ parameters: [String: String]) throws(BadURL) -> TLSMode {
        switch parameters["tls"] {
        case nil, "", "0": return .off
        case "1": return .selfSigned
        case "2":
            guard let certificate = parameters["crt"], let key = parameters["key"] else {
                throw BadURL(message: "master URL: tls=2 needs crt=PATH and key=PATH")
            }
            return .files(certificate: certificate, key: key)
        case .some(let value): throw BadURL(message: "master URL: tls=\(value) is none of 0, 1, 2")
        }
    }

    private static func parameters(of query: Substring) -> [String: String] {
        var parameters: [String: String] = [:]
        for pair in query.split(separator: "&") {
            let (name, value) = split(pair, at: "=")
            parameters[FormCoding.decoded(name)] = FormCoding.decoded(value)
        }
        return parameters
    }

    private static func split(_ text: Substring, at separator: Character) -> (Substring, Substring) {
        guard let index = text.firstIndex(of: separator) else { return (text, "") }
        return (text[..<index], text[text.index(after: index)...])
    }
}
