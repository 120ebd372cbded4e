package import Config

/// One instance with its keys and its last events: what `describe` shows.
package struct InstanceDetails: Sendable {
    /// Events of each log.
    static let eventLimit = 10

    package let instance: Instance
    /// Its keys, with the place of each that a manifest sets.
    package let fields: [(field: ShownField, source: SourceLocation?)]
    package let problems: [Problem]
    /// The newest of both logs, oldest first.
    package let events: [RecordedEvent]
    package let notices: [RecordedEvent]
}

extension DesiredState {
    /// A key that an override has changed has no place in a manifest.
    func fields(of instance: Instance) -> [(field: ShownField, source: SourceLocation?)] {
        let declaration = declarations[instance.id]
        var content = TunnelContent(spec: instance.spec, labels: instance.labels, running: instance.shouldRun)
        let overridden = Set(declaration?.content.changes(to: content).map(\.path) ?? [])
        let places = declaration?.fieldSources ?? [:]
        // Nobody wrote the alias that is the name.
        if places["alias"] == nil, content.labels.alias == instance.name { content.labels.alias = "" }
        let shown = content.shownFields(naming: Set(places.keys), secretPaths: instance.secretPaths)
        return shown.map { ($0, overridden.contains($0.path) ? nil : places[$0.path]) }
    }
}
