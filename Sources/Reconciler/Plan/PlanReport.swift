package import Config
import FoundationEssentials
package import Tunnel

/// What a plan means to people: each step with the fields that change and what becomes of connections.
///
/// Pure, and made the same way for a pass of the daemon and for `nodepass plan`: from what was desired, what is to be
/// desired, and what runs. Secrets are masked already.
package struct PlanReport: Sendable, Hashable {
    package enum Action: String, Sendable, Hashable, CaseIterable {
        case create, start, stop, meta, live, session, rebind, restart, delete
        /// A declaration takes over an API instance; where that changes it, the step has changes.
        case adopt
    }

    package struct Step: Sendable, Hashable {
        package let id: InstanceID
        /// The manifest's name, or the id of an API instance.
        package let name: String
        /// Of an API instance, and of one that is adopted; empty where it has none, nil for what is declared.
        package let alias: String?
        package let action: Action
        /// False for an adoption of what already is as declared.
        package let isChange: Bool
        package let source: SourceLocation?
        /// `client://127.0.0.1:6380 → 10.0.0.7:6379`.
        package let route: String
        package let changes: [FieldChange]
        /// Nil where there are none.
        package let connections: Connections?
    }

    /// What becomes of the connections there are.
    package struct Connections: Sendable, Hashable {
        package enum Effect: String, Sendable, Hashable, CaseIterable {
            case keep, drain, cut
        }

        package let count: Int
        package let effect: Effect
        /// How long they may finish when they drain.
        package let limit: Duration
    }

    /// A declared tunnel that a request has changed.
    package struct Overridden: Sendable, Hashable {
        package let id: InstanceID
        package let name: String
        /// Where it is declared.
        package let source: SourceLocation?
        package let override: Override
        /// What it is and what the manifest declares, in words: `stopped`, `running`.
        package let present: String
        package let declared: String
    }

    /// Tunnels that are to run and cannot all have one address.
    package struct Conflict: Sendable, Hashable {
        /// Masked where it is a secret of one of them.
        package let address: String
        package let transport: TransportProtocol
        package let names: [String]
    }

    package let plan: ReconcilePlan
    /// In the order of `DesiredState.ordered`, those that leave at the end.
    package let steps: [Step]
    package let overridden: [Overridden]
    package let conflicts: [Conflict]
    package let unchanged: Int

    /// Whether anything is to be done; taking over what already is as declared is nothing.
    package var hasChanges: Bool { steps.contains(where: \.isChange) }

    package init(
        from before: [InstanceID: DesiredInstance],
        to after: DesiredState,
        actual: [InstanceID: TunnelStatus]
    ) {
        let plan = ReconcilePlan(desired: Array(after.desired.values), actual: actual)
        self.init(plan, from: before, to: after, actual: actual, conflicts: Conflict.all(in: after.ordered))
    }

    /// A pass does not report conflicts, and so does not look for them among thousands of tunnels.
    init(
        _ plan: ReconcilePlan,
        from before: [InstanceID: DesiredInstance],
        to after: DesiredState,
        actual: [InstanceID: TunnelStatus],
        conflicts: [Conflict] = []
    ) {
        self.plan = plan
        self.conflicts = conflicts
        let acting = Dictionary(plan.actions.map { ($0.id, $0) }, uniquingKeysWith: { _, last in last })
        // Only what changes is put in order.
        let changed = after.desired.values.filter { acting[$0.id] != nil || before[$0.id] != $0 }
        var steps = changed.sorted(by: DesiredState.precedes).compactMap { instance in
            Step(instance, before: before[instance.id], acting[instance.id], actual[instance.id])
        }
        let touched = Set(steps.map(\.id))
        let leaving = before.values.filter { after.desired[$0.id] == nil }.sorted(by: DesiredState.precedes)
        steps += leaving.map { Step(deleting: $0, actual[$0.id]) }
        self.steps = steps
        overridden = after.overridden
        // Each tunnel counts once: what an override changes is not as declared.
        let aside = overridden.filter { after.desired[$0.id] != nil && !touched.contains($0.id) }.count
        unchanged = after.desired.count - touched.count - aside
    }
}

extension PlanReport.Step {
    fileprivate init?(
        _ instance: DesiredInstance,
        before: DesiredInstance?,
        _ action: ReconcilePlan.Action?,
        _ status: TunnelStatus?
    ) {
        let changes = before.map { instance.changes(since: $0, status) } ?? []
        let isAdopted = before?.origin == .api && instance.origin == .manifest
        let effect = Self.effect(action, isNew: before == nil, changes)
        guard effect != nil || isAdopted else { return nil }
        id = instance.id
        name = instance.name ?? instance.id
        alias = isAdopted ? before?.labels.alias : instance.apiAlias
        self.action = isAdopted ? .adopt : effect ?? .adopt
        isChange = effect != nil
        source = instance.source
        route = instance.route
        self.changes = changes
        connections = PlanReport.Connections(effect ?? .adopt, status, to: instance.spec)
    }

    fileprivate init(deleting instance: DesiredInstance, _ status: TunnelStatus?) {
        id = instance.id
        name = instance.name ?? instance.id
        alias = instance.apiAlias
        action = .delete
        isChange = true
        source = instance.source
        route = instance.route
        changes = []
        connections = PlanReport.Connections(.delete, status, to: instance.spec)
    }

    /// What is done to the tunnel itself, apart from a change of its owner; nil for nothing.
    private static func effect(
        _ action: ReconcilePlan.Action?,
        isNew: Bool,
        _ changes: [FieldChange]
    ) -> PlanReport.Action? {
        if isNew { return .create }
        switch action {
        case .run(_, .create, _), .run(_, .start, _): return .start
        case .run(_, .restart, _): return .restart
        case .run(_, .change(let change), _): return PlanReport.Action(change)
        case .stop: return .stop
        case .remove, nil: return changes.isEmpty ? nil : .meta
        }
    }
}

extension PlanReport.Step {
    /// With long texts cut, for an event.
    var shortened: PlanReport.Step {
        func short(_ text: String) -> String {
            text.count > PlanDigest.textLimit ? text.prefix(PlanDigest.textLimit) + "…" : text
        }
        return PlanReport.Step(
            id: id,
            name: name,
            alias: alias,
            action: action,
            isChange: isChange,
            source: source,
            route: short(route),
            changes: changes.map {
                FieldChange(path: $0.path, class: $0.class, old: short($0.old), new: short($0.new))
            },
            connections: connections
        )
    }

    /// As `DesiredInstance.label`.
    var label: String {
        guard action != .adopt, let alias, !alias.isEmpty else { return name }
        return "\(alias) (\(id))"
    }
}

extension PlanReport.Action {
    fileprivate init(_ change: ChangeClass) {
        switch change {
        case .meta: self = .meta
        case .live: self = .live
        case .session: self = .session
        case .rebind: self = .rebind
        }
    }
}

extension PlanReport.Connections {
    fileprivate init?(_ action: PlanReport.Action, _ status: TunnelStatus?, to spec: TunnelSpec) {
        guard let status, !status.isDown, status.tcpConnections + status.udpSessions > 0 else { return nil }
        count = status.tcpConnections + status.udpSessions
        // A tunnel that ends goes by what it ran with, one that moves by what it moves to.
        limit = [.stop, .delete, .restart].contains(action) ? status.spec.drain : spec.drain
        switch action {
        case .create, .start, .meta, .live, .adopt: effect = .keep
        case .session where status.spec.isKept(by: spec): effect = .keep
        case .stop, .delete, .restart, .session, .rebind: effect = limit > .zero ? .drain : .cut
        }
    }
}

extension TunnelSpec {
    /// A single-end tunnel has no session that could end; only a protocol that it no longer carries matters.
    fileprivate func isKept(by other: TunnelSpec) -> Bool {
        role == .client && mode == .one && other.mode == .one && protocols.isSubset(of: other.protocols)
    }
}

extension DesiredState {
    /// Every override, by name; those that hide a tunnel among them.
    var overridden: [PlanReport.Overridden] {
        records.values.filter(\.isLive).compactMap(PlanReport.Overridden.init).sorted { $0.name < $1.name }
    }
}

extension PlanReport.Overridden {
    init?(_ record: InstanceRecord) {
        guard let override = record.override else { return nil }
        id = record.id
        name = record.name ?? record.id
        source = record.source
        self.override = override
        let words = record.overrideWords(override)
        present = words.map(\.present).joined(separator: ", ")
        declared = words.map(\.declared).joined(separator: ", ")
    }
}

extension InstanceRecord {
    /// What an override changes and what the declaration has instead, part by part.
    fileprivate func overrideWords(_ override: Override) -> [(present: String, declared: String)] {
        if override.deleted { return [("deleted", running ? "running" : "stopped")] }
        var words: [(String, String)] = []
        if let running = override.running, running != self.running {
            words.append((running ? "running" : "stopped", self.running ? "running" : "stopped"))
        }
        if let overrideSpec {
            words += spec.changes(to: overrideSpec.wrappedValue, secretPaths: secretPaths).map { change in
                ("\(change.path) \(change.new)", change.old)
            }
        }
        if let alias = override.alias { words.append(("alias \(alias)", "alias \(visibleLabels.alias)")) }
        if let tags = override.tags { words.append((Self.words(tags), Self.words(labels.tags))) }
        if let peer = override.peer { words.append((Self.words(peer), Self.words(labels.peer))) }
        if let autostart = override.autostart {
            words.append(("restart \(autostart)", "restart \(self.autostart)"))
        }
        return words
    }

    private static func words(_ tags: [String: String]) -> String {
        "tags {" + tags.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ") + "}"
    }

    private static func words(_ peer: PeerLabel) -> String {
        let parts = [("sid", peer.sid), ("type", peer.type), ("alias", peer.alias)].filter { !$0.1.isEmpty }
        return "peer {" + parts.map { "\($0.0)=\($0.1)" }.joined(separator: ", ") + "}"
    }
}

extension PlanReport.Conflict {
    /// What is certain alone: which side listens in mode auto is found out at run time, and a name may be any host.
    fileprivate static func all(in desired: [DesiredInstance]) -> [PlanReport.Conflict] {
        struct Place: Hashable {
            let port: UInt16
            let transport: TransportProtocol
        }
        var takers: [Place: [(address: ListenAddress, instance: DesiredInstance)]] = [:]
        for instance in desired where instance.shouldRun {
            for address in instance.spec.certainAddresses where address.endpoint.port != 0 {
                let place = Place(port: address.endpoint.port, transport: address.transport)
                takers[place, default: []].append((address, instance))
            }
        }
        let places = takers.keys.sorted { ($0.port, $0.transport.rawValue) < ($1.port, $1.transport.rawValue) }
        return places.flatMap { place in
            let all = takers[place] ?? []
            return all.indices.compactMap { index -> PlanReport.Conflict? in
                let address = all[index].address
                let rivals = all[(index + 1)...].filter { $0.address.certainlyConflicts(with: address) }
                guard !rivals.isEmpty else { return nil }
                let takers = [all[index]] + rivals
                let isSecret = takers.contains { $0.instance.hides($0.address) }
                return PlanReport.Conflict(
                    address: isSecret ? Secret.mask : address.endpoint.description,
                    transport: place.transport,
                    names: takers.map(\.instance.label)
                )
            }
        }
    }
}

extension DesiredInstance {
    package var content: TunnelContent { TunnelContent(spec: spec, labels: labels, running: shouldRun) }

    /// An adopted instance without an alias shows its new name as alias, which is not a change.
    fileprivate func changes(since before: DesiredInstance, _ status: TunnelStatus?) -> [FieldChange] {
        let changes = before.content(running: status).changes(to: content, secretPaths: secretPaths)
        guard before.origin == .api, origin == .manifest, before.labels.alias.isEmpty else { return changes }
        return changes.filter { $0.path != "alias" || labels.alias != name }
    }

    /// With the spec that really runs, which a pass may not have brought up to date yet.
    fileprivate func content(running status: TunnelStatus?) -> TunnelContent {
        var content = content
        if let status, !status.isDown { content.spec = status.spec }
        return content
    }

    /// Whether this address of its came from a reference.
    fileprivate func hides(_ address: ListenAddress) -> Bool {
        secretPaths.contains(address.endpoint == spec.tunnel ? "tunnel" : "target")
    }

    /// The alias of an API instance; nil for a declared one, which has a name.
    fileprivate var apiAlias: String? { origin == .api ? labels.alias : nil }

    /// Its name; for an API instance the alias and, because that is not unique, the id.
    package var label: String {
        if let name { return name }
        return labels.alias.isEmpty ? id : "\(labels.alias) (\(id))"
    }

    /// From where to where, without the key.
    package var route: String {
        let tunnel = secretPaths.contains("tunnel") ? Secret.mask : spec.tunnel.description
        let targets = spec.targets.map(\.description).joined(separator: ",")
        return "\(spec.role.rawValue)://\(tunnel) → \(secretPaths.contains("target") ? Secret.mask : targets)"
    }
}
