import Config

/// Tunnels for NodePass's URLs: as arguments, one a line in a file, or in the `ExecStart` of a systemd unit, which is
/// what NodePass's installer writes.
enum NodePassConversion {
    struct Input {
        let text: String
        let source: String
    }

    /// The URLs in a file, with the rest of it that says something.
    static func inputs(
        in text: String,
        file: String,
        _ conversion: inout Conversion
    ) throws(ConversionProblem) -> [Input] {
        var inputs: [Input] = []
        for line in try SourceLines.read(text, file: file, comment: "#") {
            let urls = line.words.map { word in
                let value = word.hasPrefix("ExecStart=") ? word.dropFirst(10) : word[...]
                return String(value)
            }.filter { $0.contains("://") && isNodePass($0) }
            inputs += urls.map { Input(text: $0, source: line.location.fileAndLine) }
            if urls.isEmpty, line.words[0].hasPrefix("Environment=NP_") {
                let setting = line.words[0].dropFirst("Environment=".count)
                let instead = "the daemon reads it too: set it in its own unit"
                conversion.leave(String(setting), at: line.location.fileAndLine, instead: instead)
            }
        }
        guard !inputs.isEmpty else {
            throw ConversionProblem(text: "\(file): there is no server://, client:// or master:// URL in it")
        }
        return inputs
    }

    static func isNodePass(_ text: String) -> Bool {
        ["server://", "client://", "master://"].contains { text.lowercased().hasPrefix($0) }
    }

    static func convert(_ inputs: [Input], into conversion: inout Conversion) throws(ConversionProblem) {
        for (index, input) in inputs.enumerated() {
            let shown = TunnelURL.masked(input.text)
            if input.text.lowercased().hasPrefix("master://") {
                let instead =
                    "`nodepass run --listen ADDRESS`, and `nodepass import FILE` for the instances in its nodepass.gob"
                conversion.leave(shown, at: input.source, instead: instead)
                continue
            }
            let spec: TunnelSpec
            do throws(TunnelURLError) {
                spec = try TunnelURL.parse(input.text).spec
            } catch {
                let why = error.diagnostics.first?.message ?? "it is no tunnel's URL"
                throw ConversionProblem(text: "\(input.source): \(shown): \(why)")
            }
            var notes: [String] = []
            var references: [String: String] = [:]
            if !spec.unknownParameters.isEmpty {
                let names = spec.unknownParameters.map(\.name).joined(separator: ", ")
                notes.append("NodePass v1.14 knows no parameter \(names); the URL keeps them, and the key.")
            } else if spec.key != nil {
                let variable = inputs.count == 1 ? "NODEPASS_KEY" : "NODEPASS_KEY_\(index + 1)"
                references["key"] = "${env:\(variable)}"
                notes.append("\(variable) is the text before the @ of the URL.")
            }
            let isServer = spec.role == .server
            let name = "\(isServer ? "server" : "client")-\(spec.tunnel.port)"
            try conversion.add(
                Conversion.Tunnel(
                    name: name,
                    content: TunnelContent(spec: spec),
                    source: "\(input.source): \(shown)",
                    notes: notes,
                    references: references
                )
            )
        }
    }
}
