import ArgumentParser
import Config

/// `nodepass explain`: what the keys of a manifest mean, from the table that reads them.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Explain a key of the manifest, or list all of them."
    )

    @Argument(help: "A key's path below its tunnel, such as limits.rate.")
    var key: String?

    func run() throws {
        Output.line(try Self.answer(key))
    }

    private static func answer(_ key: String?) throws(CommandFailure) -> String {
        let fields = ManifestSchema.fields
        guard let key else { return list(fields) }
        let path = key.hasPrefix("tunnels.") ? key.split(separator: ".").dropFirst(2).joined(separator: ".") : key
        if let field = fields.first(where: { $0.path == path }) { return text(field) }
        let below = fields.filter { $0.path.hasPrefix(path + ".") }
        guard below.isEmpty else { return list(below) }
        let advice = nearest(to: path, fields).map { "; did you mean '\($0)'?" } ?? "; `nodepass explain` lists them"
        throw CommandFailure(message: PlainText.line("there is no key '\(key)'\(advice)"), isUsage: true)
    }

    /// A key, a group of keys, or the key whose last part this nearly is.
    private static func nearest(to path: String, _ fields: [TunnelField]) -> String? {
        let paths = fields.map(\.path)
        let groups = paths.compactMap { path in path.firstIndex(of: ".").map { String(path[..<$0]) } }
        let known = paths + groups
        if let nearest = EditDistance.nearest(to: path, among: known) { return nearest }
        let ends = paths.map { path in (path: path, end: path.split(separator: ".").last.map(String.init) ?? path) }
        let end = EditDistance.nearest(to: path, among: ends.map(\.end))
        return ends.first { $0.end == end }?.path
    }

    private static func list(_ fields: [TunnelField]) -> String {
        TextTable.aligned(fields.map { [$0.path, $0.summary] })
    }

    private static func text(_ field: TunnelField) -> String {
        var rows = [["Key:", field.path], ["Meaning:", field.summary]]
        rows.append(["At:", field.roles.count == 2 ? "both ends" : field.roles.map(\.rawValue).joined()])
        rows.append(["Default:", field.defaultText.isEmpty ? "none" : field.defaultText])
        rows.append(["A change is:", meaning(of: field.changeClass)])
        if !field.parameters.isEmpty { rows.append(["In a URL:", field.parameters.joined(separator: ", ")]) }
        return TextTable.aligned(rows) + "\nForm:\n" + field.schema.prettyText
    }

    private static func meaning(of change: ChangeClass) -> String {
        switch change {
        case .meta: "meta: nothing that runs notices it"
        case .live: "live: connections stay"
        case .session: "session: the two ends connect again; users may be cut"
        case .rebind: "rebind: it listens anew, and connections drain"
        }
    }
}
