import Config
import FoundationEssentials

/// The values a mutation may set, the same ones for both kinds of instance.
struct RecordDraft {
    var url: String
    var spec: TunnelSpec
    var labels: TunnelLabels
    var autostart: Bool
    var running: Bool
}

/// What a request names: an expiry belongs to what runs, labels last.
struct EditedParts: OptionSet {
    let rawValue: Int

    /// Whether it runs, its URL, its `restart` flag, and whether it is there at all.
    static let state = EditedParts(rawValue: 1)
    /// Alias, tags and peer.
    static let labels = EditedParts(rawValue: 2)
}

extension InstanceRecord {
    /// An API record takes the draft as its own; a declared one keeps its declaration and notes the differences on top.
    func edited(
        _ parts: EditedParts,
        _ policy: ManifestPolicy,
        _ context: MutationContext,
        now: Date,
        _ change: (inout RecordDraft) -> Void
    ) throws(MutationError) -> InstanceRecord {
        guard let merged = DesiredInstance(self) else { throw .notFound }
        let before = RecordDraft(
            url: merged.url,
            spec: merged.spec,
            labels: merged.labels,
            autostart: merged.autostart,
            running: merged.shouldRun
        )
        var draft = before
        change(&draft)
        guard origin == .manifest else {
            try requireNoExpiry(context)
            return owning(draft)
        }
        try requireOverridable(policy)
        var parts = parts
        if draft.running != before.running { parts.insert(.state) }
        guard !parts.isEmpty else {
            guard context.ttl == nil else { throw .noExpiry("this request overrides nothing") }
            return self
        }
        return overridden(by: draft, before: before, try renewedOverride(parts, policy, context, now: now), parts)
    }

    /// For what is not declared: nothing is overridden, so nothing can end by itself.
    func requireNoExpiry(_ context: MutationContext) throws(MutationError) {
        if context.ttl != nil { throw .noExpiry("the tunnel is not declared in a manifest") }
    }

    func requireOverridable(_ policy: ManifestPolicy) throws(MutationError) {
        if !policy.overridesAllowed { throw .denied(source) }
    }

    /// The present override with a new time and author, or an empty one.
    ///
    /// A request about the state sets its expiry. One about labels alone leaves that as it is, and sets one only where
    /// nothing but labels is overridden.
    func renewedOverride(
        _ parts: EditedParts,
        _ policy: ManifestPolicy,
        _ context: MutationContext,
        now: Date
    ) throws(MutationError) -> Override {
        var renewed = override ?? Override(since: now, until: nil, by: context.by, revision: revision)
        renewed.since = now
        renewed.by = context.by
        renewed.note = context.note
        if parts.contains(.state) {
            let ttl = context.ttl ?? policy.overrideTTL
            renewed.until = ttl > .zero ? now.addingTimeInterval(ttl.inSeconds) : nil
        } else if let ttl = context.ttl {
            guard !renewed.changesState else {
                throw .noExpiry("alias, tags and peer last until released while the tunnel's state is overridden too")
            }
            renewed.until = now.addingTimeInterval(ttl.inSeconds)
        }
        return renewed
    }

    private func owning(_ draft: RecordDraft) -> InstanceRecord {
        var record = self
        record.url = draft.url
        record.spec = draft.spec
        record.labels = draft.labels
        record.autostart = draft.autostart
        record.running = draft.running
        record.revision = record.contentRevision
        return record
    }

    /// Only what differs from the declaration is kept; when nothing does, the override is gone.
    private func overridden(
        by draft: RecordDraft,
        before: RecordDraft,
        _ renewed: Override,
        _ parts: EditedParts
    ) -> InstanceRecord {
        var record = self
        var override = renewed
        override.url = draft.url == url ? nil : draft.url
        override.alias = draft.labels.alias == visibleLabels.alias ? nil : draft.labels.alias
        override.tags = draft.labels.tags == labels.tags ? nil : draft.labels.tags
        override.peer = draft.labels.peer == labels.peer ? nil : draft.labels.peer
        override.autostart = draft.autostart == autostart ? nil : draft.autostart
        override.running = draft.running == running ? nil : draft.running
        guard override.changesSomething else { return record.withoutOverride }
        // The state is as declared again, and labels last.
        if parts.contains(.state), !override.changesState { override.until = nil }
        guard override.differs(from: self.override) else { return record }
        record.override = override
        record.overrideSpec = override.url == nil ? nil : Shared(wrappedValue: draft.spec)
        return record
    }
}

extension Override {
    /// Compares what it changes and its expiry, not when, by whom and why it was made.
    fileprivate func differs(from other: Override?) -> Bool {
        guard var other else { return true }
        other.since = since
        other.by = by
        other.note = note
        return other != self
    }
}

extension MutationError {
    /// An expiry was given where nothing would end.
    fileprivate static func noExpiry(_ why: String) -> MutationError {
        .invalid(message: "ttl: \(why), so that nothing would end; leave it out", code: "ttl")
    }
}

extension Duration {
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
