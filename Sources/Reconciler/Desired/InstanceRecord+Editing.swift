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

extension InstanceRecord {
    /// An API record takes the draft as its own; a declared one keeps its declaration and notes the differences on top.
    func edited(
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
        guard origin == .manifest else { return owning(draft) }
        try requireOverridable(policy)
        return overridden(by: draft, before: before, renewedOverride(policy, context, now: now))
    }

    func requireOverridable(_ policy: ManifestPolicy) throws(MutationError) {
        if !policy.overridesAllowed { throw .denied(source) }
    }

    /// The present override with a new time, author and expiry, or an empty one.
    func renewedOverride(_ policy: ManifestPolicy, _ context: MutationContext, now: Date) -> Override {
        let ttl = context.ttl ?? policy.overrideTTL
        let until = ttl > .zero ? now.addingTimeInterval(ttl.inSeconds) : nil
        var renewed = override ?? Override(since: now, until: until, by: context.by, revision: revision)
        renewed.since = now
        renewed.until = until
        renewed.by = context.by
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
    private func overridden(by draft: RecordDraft, before: RecordDraft, _ renewed: Override) -> InstanceRecord {
        var record = self
        var override = renewed
        override.url = draft.url == url ? nil : draft.url
        override.alias = draft.labels.alias == visibleLabels.alias ? nil : draft.labels.alias
        override.tags = draft.labels.tags == labels.tags ? nil : draft.labels.tags
        override.peer = draft.labels.peer == labels.peer ? nil : draft.labels.peer
        override.autostart = draft.autostart == autostart ? nil : draft.autostart
        override.running = draft.running == running ? nil : draft.running
        guard override.changesSomething else { return record.withoutOverride }
        guard override.differs(from: self.override) else { return record }
        record.override = override
        record.overrideSpec = override.url == nil ? nil : Shared(wrappedValue: draft.spec)
        return record
    }
}

extension Override {
    /// Compares what it changes and its expiry, not when and by whom it was made.
    fileprivate func differs(from other: Override?) -> Bool {
        guard var other else { return true }
        other.since = since
        other.by = by
        return other != self
    }
}

extension Duration {
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}
