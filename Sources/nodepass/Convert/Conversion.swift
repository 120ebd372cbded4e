import Config

/// What a configuration of another program becomes: tunnels, and a list of everything that has no place in them.
struct Conversion {
    /// Whose manifest is wanted, where the input is about both.
    enum End: String, CaseIterable {
        case client
        case server
    }

    struct Tunnel {
        var name: String
        var content: TunnelContent
        /// Where it comes from, for a comment: `frpc.toml:12`.
        let source: String
        /// What its reader should know.
        var notes: [String] = []
        /// What the manifest refers to instead of holding it, by the path of its key.
        var references: [String: String] = [:]
    }

    /// A setting that no key of a manifest says.
    struct Left: Hashable {
        let source: String
        let setting: String
        let instead: String
    }

    private(set) var tunnels: [Tunnel] = []
    private(set) var left: [Left] = []

    /// More tunnels than a machine has ports are a mistake in the input.
    static let tunnelLimit = 10_000

    mutating func add(_ tunnel: Tunnel) throws(ConversionProblem) {
        guard tunnels.count < Self.tunnelLimit else {
            throw ConversionProblem(text: "\(tunnel.source): more than \(Self.tunnelLimit) tunnels come of this")
        }
        var tunnel = tunnel
        tunnel.name = freeName(tunnel.name)
        tunnels.append(tunnel)
        names.insert(tunnel.name)
    }

    mutating func leave(_ setting: String, at source: String, instead: String) {
        let item = Left(source: source, setting: setting, instead: instead)
        // What holds for several tunnels is said once.
        if known.insert(item).inserted { left.append(item) }
    }

    private var names: Set<String> = []
    private var known: Set<Left> = []

    /// A name as manifests have them, that no other tunnel has.
    private func freeName(_ text: String) -> String {
        let name = Self.name(text)
        guard names.contains(name) else { return name }
        var number = 2
        while names.contains("\(name)-\(number)") { number += 1 }
        return "\(name)-\(number)"
    }

    private static func name(_ text: String) -> String {
        let letters = text.lowercased().unicodeScalars.map { scalar -> Character in
            switch scalar {
            case "a"..."z", "0"..."9": Character(scalar)
            default: "-"
            }
        }
        let parts = String(letters).split(separator: "-").joined(separator: "-")
        // Room for a number behind it.
        let name = parts.prefix(56)
        return name.isEmpty ? "tunnel" : String(name.last == "-" ? name.dropLast() : name)
    }

    // MARK: Writing

    /// The manifest, with a comment for where each tunnel comes from and for all that could not be taken over.
    func manifest(of sources: [String], by command: String) -> String {
        var lines = [
            "# Written by `\(command)` from \(sources.joined(separator: ", ")).",
            "# Check it with `nodepass validate`.",
        ]
        if !left.isEmpty {
            lines.append("#")
            lines.append("# Not taken over:")
            for item in left { lines += Self.comment("- \(item.source): \(item.setting): \(item.instead)", hanging: 2) }
        }
        lines += ["version: 1", tunnels.isEmpty ? "tunnels: {}" : "tunnels:"]
        for (index, tunnel) in tunnels.enumerated() {
            if index > 0 { lines.append("") }
            lines.append("  # \(PlainText.line(tunnel.source))")
            for note in tunnel.notes { lines += Self.comment(note, margin: "  ") }
            lines.append("  \(YAMLText.block(.string(tunnel.name), indent: 0)):")
            let entry = tunnel.content.manifestEntry(replacing: tunnel.references) ?? .object([])
            lines.append(YAMLText.block(entry, indent: 4))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static let width = 100

    /// The text as comment lines of at most `width` characters, if its words allow.
    private static func comment(_ text: String, margin: String = "", hanging: Int = 0) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in PlainText.line(text).split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > width - margin.count - 2 {
                lines.append(line)
                line = String(repeating: " ", count: hanging) + word
            } else {
                line += (line.isEmpty ? "" : " ") + word
            }
        }
        return (lines + [line]).map { "\(margin)# \($0)" }
    }
}

/// Why an input cannot be read, and where: nothing comes of it.
struct ConversionProblem: Error, CustomStringConvertible {
    let description: String

    init(_ location: SourceLocation, _ message: String) {
        description = "\(location): \(message)"
    }

    init(text: String) {
        description = text
    }
}
