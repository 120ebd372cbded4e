package import Config
package import Tunnel

/// The declared layer as it was last read without rejection.
package struct DeclaredLayer: Sendable {
    package struct Tunnel: Sendable {
        package let id: InstanceID
        package let name: String
        package let source: SourceLocation?
        package let revision: String
        package let running: Bool
        /// False while an edit of it has errors and this is its last good form.
        package let isValid: Bool
        package let fields: [(field: ShownField, source: SourceLocation?)]
    }

    package let policy: ManifestPolicy
    package let status: ReconcileStatus
    /// By name.
    package let tunnels: [Tunnel]
    package let overridden: [PlanReport.Overridden]

    init(_ state: DesiredState, _ status: ReconcileStatus) {
        let declared = state.records.values.filter { $0.isLive && $0.origin == .manifest }
        let invalid = Set(status.invalidNames)
        tunnels = declared.sorted { ($0.name ?? "") < ($1.name ?? "") }.map { record in
            Tunnel(record, state.declarations[record.id], isValid: !invalid.contains(record.name ?? ""))
        }
        policy = state.policy
        self.status = status
        overridden = state.overridden
    }
}

extension DeclaredLayer.Tunnel {
    /// Without a declaration this run of the daemon has not read it yet, or it is invalid: the record has its last form.
    fileprivate init(_ record: InstanceRecord, _ declaration: TunnelDeclaration?, isValid: Bool) {
        let stored = TunnelContent(spec: record.spec, labels: record.visibleLabels, running: record.running)
        let content = declaration?.content ?? stored
        let places = declaration?.fieldSources ?? [:]
        let shown = content.shownFields(naming: Set(places.keys), secretPaths: record.secretPaths)
        id = record.id
        name = record.name ?? record.id
        source = record.source
        revision = record.revision
        running = record.running
        self.isValid = isValid
        fields = shown.map { ($0, places[$0.path]) }
    }
}
