package import Config
package import FoundationEssentials
package import Tunnel

/// What a reading of the manifest did to the records.
package struct DeclareOutcome: Sendable {
    /// Records that differ from before and want to be stored.
    package var changed: [InstanceRecord] = []
    package var adopted: [InstanceID] = []
    /// Tunnels whose override ended, wholly or but for its labels, because their own declaration was edited.
    package var overtaken: [InstanceID] = []
    /// Declared tunnels that left and were deleted, or live on as API instances (`prune: false`).
    package var pruned: [InstanceID] = []
    package var orphaned: [InstanceID] = []
    /// Names whose declaration does not hold: they keep their last good one, or stay absent.
    package var invalid: [String] = []
    fileprivate var changedIDs: Set<InstanceID> = []
}

extension DesiredState {
    /// Swaps the declared layer for the one that was read; a rejected reading changes nothing.
    ///
    /// With `prune: false` a departed tunnel keeps running as an API instance with its id, its name and what its override
    /// said; a later declaration of that name takes it back. With `keepsMissing` it stays a declared one.
    package mutating func declare(
        _ reading: ManifestReading,
        prune: Bool = true,
        keepsMissing: Bool = false,
        now: Date
    ) -> DeclareOutcome {
        guard let manifest = reading.manifest else { return DeclareOutcome() }
        var outcome = DeclareOutcome(invalid: reading.invalid.keys.sorted())
        policy = manifest.policy
        manifestRevision = manifest.revision
        if !keepsMissing { depart(keeping: reading.names, prune: prune, into: &outcome) }
        var names = recordsByName
        let namesakes = createdByAlias
        // By name, so that two names that want one id get theirs in the same order each time.
        let order = manifest.tunnels.indices.sorted { manifest.tunnels[$0].name < manifest.tunnels[$1].name }
        for index in order {
            let declaration = manifest.tunnels[index]
            let known = records[names[declaration.name] ?? ""]
            let record = known ?? adoptable(by: declaration.name, among: namesakes[declaration.name] ?? [])
            names[declaration.name] = apply(declaration, to: record, now: now, outcome: &outcome)
        }
        outcome.changed = outcome.changedIDs.sorted().compactMap { records[$0] }
        return outcome
    }

    /// With those on their way out: a tunnel that comes back at once is the same one.
    private var recordsByName: [String: InstanceID] {
        var names: [String: InstanceID] = [:]
        for record in records.values {
            if let name = record.name { names[name] = record.id }
        }
        return names
    }

    /// As it would be after this reading; nothing changes.
    package func declaring(_ reading: ManifestReading, prune: Bool, now: Date) -> DesiredState {
        var state = self
        _ = state.declare(reading, prune: prune, now: now)
        return state
    }

    private mutating func depart(keeping names: Set<String>, prune: Bool, into outcome: inout DeclareOutcome) {
        let departed = records.values.filter { record in
            record.isLive && record.origin == .manifest && !(record.name.map(names.contains) ?? false)
        }
        for var record in departed.sorted(by: { $0.id < $1.id }) {
            if policy.prune, prune {
                record.depart()
                outcome.pruned.append(record.id)
            } else if let kept = record.orphaned {
                record = kept
                outcome.orphaned.append(record.id)
            } else {
                record.depart()
            }
            if put(record) { outcome.changedIDs.insert(record.id) }
        }
    }

    /// API instances by alias, the oldest first; one look at all of them for all declarations.
    private var createdByAlias: [String: [InstanceID]] {
        let created = records.values.filter(\.isAdoptable)
        return Dictionary(grouping: created, by: \.labels.alias).mapValues { namesakes in
            namesakes.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }.map(\.id)
        }
    }

    /// The API instance a new declaration takes over: the one with its name as id, else the oldest one with it as alias.
    private func adoptable(by name: String, among namesakes: [InstanceID]) -> InstanceRecord? {
        for id in [name] + namesakes {
            // One of them may have been taken over by a declaration before.
            if let record = records[id], record.isAdoptable { return record }
        }
        return nil
    }

    private mutating func apply(
        _ declaration: TunnelDeclaration,
        to known: InstanceRecord?,
        now: Date,
        outcome: inout DeclareOutcome
    ) -> InstanceID {
        var record = known ?? declaration.record(id: id(forName: declaration.name), now: now)
        if record.origin == .api {
            outcome.adopted.append(record.id)
            if record.isLive { record.keepLabels(over: declaration, now: now) }
        }
        if record.endOverride(by: declaration) { outcome.overtaken.append(record.id) }
        record.departing = false
        record.name = declaration.name
        record.origin = .manifest
        record.source = declaration.source
        record.url = declaration.url
        record.spec = declaration.spec
        record.labels = declaration.labels
        record.autostart = true
        record.running = declaration.running
        record.revision = declaration.revision
        record.secretPaths = declaration.secretPaths
        if put(record) { outcome.changedIDs.insert(record.id) }
        declarations[record.id] = declaration
        return record.id
    }
}

extension TunnelDeclaration {
    fileprivate func record(id: InstanceID, now: Date) -> InstanceRecord {
        InstanceRecord(
            id: id,
            name: name,
            origin: .manifest,
            source: source,
            url: url,
            spec: spec,
            labels: labels,
            revision: revision,
            createdAt: now
        )
    }
}

extension InstanceRecord {
    fileprivate var isAdoptable: Bool { isLive && origin == .api }

    /// Labels that the declaration which adopts it does not set stay, as an override: a dashboard keeps its bindings there.
    fileprivate mutating func keepLabels(over declaration: TunnelDeclaration, now: Date) {
        var kept = Override(since: now, until: nil, by: .adoption, revision: "")
        if !labels.alias.isEmpty { kept.alias = labels.alias }
        (kept.tags, kept.peer) = (labels.tags, labels.peer)
        override = kept.remaining(after: DeclarationEdit(from: nil, to: declaration))
    }

    /// Ends what this declaration replaces of the override; false where the override stays as it is.
    fileprivate mutating func endOverride(by declaration: TunnelDeclaration) -> Bool {
        guard let former = override, former.revision != declaration.revision else { return false }
        let remaining = former.remaining(after: DeclarationEdit(from: labels, to: declaration))
        self = withoutOverride
        override = remaining
        return remaining.map { !$0.isEqual(to: former) } ?? true
    }

    /// That its declaration has gone is an edit of it: no override survives, however soon it comes back.
    fileprivate mutating func depart() {
        self = withoutOverride
        departing = true
    }

    /// The API instance a departed declaration leaves behind, or nil when an override had deleted it.
    fileprivate var orphaned: InstanceRecord? {
        guard let merged = DesiredInstance(self) else { return nil }
        var record = withoutOverride
        record.origin = .api
        record.source = nil
        record.url = merged.url
        record.spec = merged.spec
        record.labels = merged.labels
        record.autostart = merged.autostart
        record.running = merged.shouldRun
        record.revision = record.contentRevision
        return record
    }

    /// The revision of an API instance: a fingerprint of what mutations can change.
    package var contentRevision: String {
        InstanceIDs.fingerprint([
            url, labels.alias, RecordText.json(labels.tags), RecordText.json(labels.peer), "\(autostart)",
        ])
    }
}
