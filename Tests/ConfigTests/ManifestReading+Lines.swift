import Config

extension ManifestReading {
    /// Diagnostics in short: `line:column severity code path`.
    var lines: [String] {
        diagnostics.map { diagnostic in
            let place = diagnostic.location.map { "\($0.line):\($0.column)" } ?? "-"
            return "\(place) \(diagnostic.severity.rawValue) \(diagnostic.code) \(diagnostic.path)"
        }
    }
}

extension ManifestReader {
    /// A reader that sees nothing of the machine the tests run on.
    static func test(_ environment: [String: String] = [:], in directory: String = "/nowhere") -> ManifestReader {
        ManifestReader(environment: environment, workingDirectory: directory, mayBindPrivilegedPorts: false)
    }

    /// Reads a manifest whose `tunnels` has one tunnel `t`, starting in line 3, column 6, in flow style.
    func readOne(_ keys: String, defaults: String = "{}") -> ManifestReading {
        read(text: "version: 1\ntunnels:\n  t: {\(keys)}\ndefaults: \(defaults)\n", file: "m.yaml")
    }
}
