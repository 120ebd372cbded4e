package import Config
package import FoundationEssentials
package import Tunnel

/// Each function checks a request completely and returns the record it leads to; storing and acting come after.
extension DesiredState {
    package func created(
        _ request: CreateRequest,
        now: Date,
        using generator: inout some RandomNumberGenerator
    ) throws(MutationError) -> InstanceRecord {
        guard records.count < DesiredState.instanceLimit else { throw .tooMany(limit: DesiredState.instanceLimit) }
        try DesiredState.check(request.labels)
        var record = InstanceRecord(
            id: newID(using: &generator),
            origin: .api,
            url: request.tunnel.url,
            spec: request.tunnel.spec,
            labels: request.labels,
            revision: "",
            createdAt: now
        )
        record.autostart = request.autostart
        record.revision = record.contentRevision
        return record
    }

    /// `isFailing`: the tunnel is in `backoff` or `failed` now, which is when `start` tries again.
    package func patched(
        _ id: InstanceID,
        _ patch: InstancePatch,
        _ context: MutationContext,
        isFailing: Bool,
        now: Date
    ) throws(MutationError) -> InstanceRecord {
        let (record, current) = try target(id, context)
        var labels = current.labels
        if let alias = patch.alias, !alias.isEmpty { labels.alias = alias }
        labels.tags = patch.tags ?? labels.tags
        labels.peer = patch.peer ?? labels.peer
        try DesiredState.check(labels)
        var edited = record
        let triesAgain = patch.action == .start && current.shouldRun && isFailing
        if patch.action == .restart || triesAgain { edited.generation += 1 }
        var parts: EditedParts = []
        if patch.autostart != nil || patch.action == .start || patch.action == .stop { parts.insert(.state) }
        if patch.alias?.isEmpty == false || patch.tags != nil || patch.peer != nil { parts.insert(.labels) }
        return try edited.edited(parts, policy, context, now: now) { draft in
            draft.labels = labels
            draft.autostart = patch.autostart ?? current.autostart
            draft.running = patch.action?.running ?? current.shouldRun
        }
    }

    package func replaced(
        _ id: InstanceID,
        by tunnel: CheckedTunnel,
        _ context: MutationContext,
        now: Date
    ) throws(MutationError) -> InstanceRecord {
        let (record, current) = try target(id, context)
        guard tunnel.url != current.url else { throw .conflict("Instance URL conflict") }
        return try record.edited(.state, policy, context, now: now) { draft in
            draft.url = tunnel.url
            draft.spec = tunnel.spec
            // As in NodePass, a new URL also starts the tunnel.
            draft.running = true
        }
    }

    package func deleted(
        _ id: InstanceID,
        _ context: MutationContext,
        now: Date
    ) throws(MutationError) -> InstanceRecord {
        var (record, _) = try target(id, context)
        guard record.origin == .manifest else {
            try record.requireNoExpiry(context)
            record.departing = true
            return record
        }
        try record.requireOverridable(policy)
        var override = try record.renewedOverride(.state, policy, context, now: now)
        override.deleted = true
        record.override = override
        return record
    }

    /// Without an override this is the record as it is: releasing twice is not an error.
    package func released(_ id: InstanceID, _ context: MutationContext) throws(MutationError) -> InstanceRecord {
        guard let record = records[id], record.isLive else { throw .notFound }
        if let current = desired[id] { try requireSeen(current, context) }
        return record.withoutOverride
    }

    private func target(
        _ id: InstanceID,
        _ context: MutationContext
    ) throws(MutationError) -> (InstanceRecord, DesiredInstance) {
        guard let record = records[id], let current = desired[id] else { throw .notFound }
        try requireSeen(current, context)
        return (record, current)
    }

    /// Refuses a change that was made against a state that has changed since (`If-Match`).
    private func requireSeen(_ current: DesiredInstance, _ context: MutationContext) throws(MutationError) {
        guard let expected = context.ifMatch else { return }
        let instance = current.instance(status: nil, traffic: Traffic())
        guard expected == instance.etag || expected == instance.revision else { throw .stale }
    }
}

// MARK: - Checks

extension DesiredState {
    static func check(_ labels: TunnelLabels) throws(MutationError) {
        do throws(LabelProblem) {
            try labels.check()
        } catch {
            throw .invalid(message: error.message, code: error.code)
        }
    }
}

extension InstancePatch.Action {
    /// What it makes of `shouldRun`; nil leaves it.
    fileprivate var running: Bool? {
        switch self {
        case .start, .restart: true
        case .stop: false
        case .reset: nil
        }
    }
}
