/// The one table of tunnel keys.
///
/// The reader, the JSON Schema, the URL mapping in both directions, plans and the documentation all
/// come from it: a key that is not a row here does not exist.
package enum ManifestSchema {
    /// In the order people write them.
    package static let fields: [TunnelField] =
        TunnelField.place + TunnelField.session + TunnelField.traffic + TunnelField.presentation

    /// The keys of a manifest itself.
    static let documentKeys = ["version", "defaults", "include", "policy", "tunnels"]

    /// The key whose value is the one-line form of a tunnel.
    package static let urlKey = "url"

    /// Keys that hold further keys: `pool`, `limits`, ….
    static let groups = Set(
        fields.compactMap { field in field.path.split(separator: ".").dropLast().first.map(String.init) }
    )
    static let fieldsByPath = Dictionary(uniqueKeysWithValues: fields.map { ($0.path, $0) })
    static let fieldsByParameter = Dictionary(
        uniqueKeysWithValues: fields.flatMap { field in field.parameters.map { ($0, field) } }
    )

    /// The keys directly below a tunnel, or below one of its groups.
    static func keys(in group: String?) -> [String] {
        guard let group else {
            var seen = Set<Substring>()
            let names = fields.compactMap { $0.path.split(separator: ".").first }
            return names.filter { seen.insert($0).inserted }.map(String.init) + [urlKey]
        }
        return fields.map(\.path).filter { $0.hasPrefix(group + ".") }.map { String($0.dropFirst(group.count + 1)) }
    }
}
