package import Config
import Logging
package import Tunnel

/// Requests: checked completely, on disk when they return, acted on by the pass they wake.
extension TunnelReconciler {
    /// Has every host name looked up again before it is used next.
    package nonisolated func forgetNames() {
        host.forgetNames()
    }

    /// The answer has no status yet: the next pass starts it.
    package func create(_ request: CreateRequest) throws(MutationError) -> Instance {
        var generator = SystemRandomNumberGenerator()
        let record = try state.created(request, now: settings.now(), using: &generator)
        return try commit(record, "instance created", by: request.by, dryRun: request.dryRun)
    }

    /// Alias, action, autostart, peer and tags: all of them are checked before any is applied.
    package func patch(
        _ id: InstanceID,
        _ patch: InstancePatch,
        _ context: MutationContext
    ) throws(MutationError) -> Instance {
        let isFailing = host.status(of: id)?.phase.isFailing ?? false
        var record = try state.patched(id, patch, context, isFailing: isFailing, now: settings.now())
        let resets = patch.action == .reset
        if resets { record.traffic = Traffic() }
        return try commit(record, "instance changed", by: context.by, dryRun: context.dryRun, resets: resets)
    }

    /// A new URL: the tunnel moves over to it by class, and runs.
    package func replace(
        _ id: InstanceID,
        by tunnel: CheckedTunnel,
        _ context: MutationContext
    ) throws(MutationError) -> Instance {
        let record = try state.replaced(id, by: tunnel, context, now: settings.now())
        return try commit(record, "instance URL replaced", by: context.by, dryRun: context.dryRun)
    }

    /// Returns what was deleted; it stops in the pass that follows.
    @discardableResult
    package func delete(_ id: InstanceID, _ context: MutationContext) throws(MutationError) -> Instance {
        guard let last = instance(id) else { throw .notFound }
        let record = try state.deleted(id, context, now: settings.now())
        guard !context.dryRun else { return last }
        try store(record, overriding(record), "instance deleted", by: context.by)
        return last
    }

    /// Ends the override of a declared tunnel; without one nothing happens.
    package func release(
        _ id: InstanceID,
        _ context: MutationContext
    ) throws(MutationError) -> Instance {
        let record = try state.released(id, context)
        let notice = ReconcileNotice.release(state.subject(id), .request, by: context.by)
        return try commit(record, "override released", by: context.by, dryRun: context.dryRun, notice: notice)
    }

    /// Accepts a peer again that offers less than it has before, and tries at once where the tunnel waits.
    package func forgetPeer(_ id: InstanceID, _ context: MutationContext) throws(MutationError) -> Instance {
        guard var record = state.records[id], let current = instance(id) else { throw .notFound }
        guard !context.dryRun else { return current }
        do throws(StateStoreError) {
            try store.forgetPeers(of: [id])
        } catch {
            throw .storage(error)
        }
        host.forgetPeer(of: id)
        settings.logger.info(
            "peer forgotten",
            metadata: ["tunnel": "\(state.label(id))", "peer": "\(context.by)"]
        )
        guard host.status(of: id)?.phase.isFailing == true else { return current }
        record.generation += 1
        return try commit(record, "instance tried again", by: context.by, dryRun: false)
    }

    private func commit(
        _ record: InstanceRecord,
        _ message: Logger.Message,
        by author: String,
        dryRun: Bool,
        resets: Bool = false,
        notice: ReconcileNotice? = nil
    ) throws(MutationError) -> Instance {
        if !dryRun, resets || state.records[record.id] != record {
            try store(record, notice ?? overriding(record), message, by: author, resets: resets)
        }
        guard let desired = DesiredInstance(record) else { throw .notFound }
        let status = host.status(of: record.id)
        return desired.instance(status: status, traffic: dryRun ? record.traffic : total(record.id, status))
    }

    private func store(
        _ record: InstanceRecord,
        _ notice: ReconcileNotice?,
        _ message: Logger.Message,
        by author: String,
        resets: Bool = false
    ) throws(MutationError) {
        do throws(StateStoreError) {
            try commit(record, notice, resets: resets)
        } catch {
            throw .storage(error)
        }
        settings.logger.info(message, metadata: ["tunnel": "\(state.label(record.id))", "peer": "\(author)"])
    }

    /// The notice of a mutation that has put an override over a declaration.
    private func overriding(_ record: InstanceRecord) -> ReconcileNotice? {
        guard let override = record.override, override != state.records[record.id]?.override else { return nil }
        return .override(state.subject(record.id), override)
    }
}
