import Config
package import FoundationEssentials
package import Tunnel

/// Each function checks a request completely and returns the record it leads to; storing and acting come after.
extension DesiredState {
    package func created(
        _ request: CreateRequest,
        defaults: MasterDefaults,
        now: Date,
        using generator: inout some RandomNumberGenerator
    ) throws(MutationError) -> InstanceRecord {
        guard records.count < DesiredState.instanceLimit else { throw .tooMany(limit: DesiredState.instanceLimit) }
        try DesiredState.check(request.labels)
        let (url, spec) = try DesiredState.enhanced(request.source, defaults: defaults)
        var record = InstanceRecord(
            id: newID(using: &generator),
            origin: .api,
            url: url,
            spec: spec,
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
        return try edited.edited(policy, context, now: now) { draft in
            draft.labels = labels
            draft.autostart = patch.autostart ?? current.autostart
            draft.running = patch.action?.running ?? current.shouldRun
        }
    }

    package func replaced(
        _ id: InstanceID,
        url: String,
        defaults: MasterDefaults,
        _ context: MutationContext,
        now: Date
    ) throws(MutationError) -> InstanceRecord {
        let (record, current) = try target(id, context)
        let (enhanced, spec) = try DesiredState.enhanced(.url(url), defaults: defaults)
        guard enhanced != current.url else { throw .conflict("Instance URL conflict") }
        return try record.edited(policy, context, now: now) { draft in
            draft.url = enhanced
            draft.spec = spec
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
            record.departing = true
            return record
        }
        try record.requireOverridable(policy)
        var override = record.renewedOverride(policy, context, now: now)
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

    static func enhanced(
        _ source: CreateRequest.Source,
        defaults: MasterDefaults
    ) throws(MutationError) -> (url: String, spec: TunnelSpec) {
        let url =
            switch source {
            case .url(let url): url
            case .spec(let spec): spec.url
            }
        do throws(TunnelURLError) {
            let role = try TunnelURL.parse(url).spec.role
            let enhanced = defaults.applied(to: url, role: role)
            return (enhanced, try TunnelURL.parse(enhanced).spec)
        } catch {
            throw error.mutationError
        }
    }
}

extension TunnelURLError {
    fileprivate var mutationError: MutationError {
        switch self {
        case .syntax: .invalid(message: "Invalid URL format", code: "url-format")
        case .scheme: .invalid(message: "Invalid URL scheme", code: "url-scheme")
        case .invalid(let diagnostics):
            .invalid(
                message: diagnostics.first?.message ?? "Invalid URL format",
                code: diagnostics.first?.code ?? "url-format"
            )
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
