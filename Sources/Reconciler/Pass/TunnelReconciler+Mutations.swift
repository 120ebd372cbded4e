package import Config
import Logging
package import Tunnel

/// Requests: checked completely, on disk when they return, acted on by the pass they wake.
extension TunnelReconciler {
    /// The answer has no status yet: the next pass starts it.
    package func create(_ request: CreateRequest) throws(MutationError) -> Instance {
        var generator = SystemRandomNumberGenerator()
        let record = try state.created(request, now: now(), using: &generator)
        return try commit(record, "instance created", by: request.by, dryRun: request.dryRun)
    }

    /// Alias, action, autostart, peer and tags: all of them are checked before any is applied.
    package func patch(
        _ id: InstanceID,
        _ patch: InstancePatch,
        _ context: MutationContext
    ) throws(MutationError) -> Instance {
        let status = host.status(of: id)
        let isFailing = status?.phase.isFailing ?? false
        var record = try state.patched(id, patch, context, isFailing: isFailing, now: now())
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
        let record = try state.replaced(id, by: tunnel, context, now: now())
        return try commit(record, "instance URL replaced", by: context.by, dryRun: context.dryRun)
    }

    /// Returns what was deleted; it stops in the pass that follows.
    @discardableResult
    package func delete(_ id: InstanceID, _ context: MutationContext) throws(MutationError) -> Instance {
        guard let last = instance(id) else { throw .notFound }
        let record = try state.deleted(id, context, now: now())
        guard !context.dryRun else { return last }
        try save(record, overriding(record))
        keep(record, "instance deleted", by: context.by)
        return last
    }

    /// Ends the override of a declared tunnel; without one nothing happens.
    package func release(
        _ id: InstanceID,
        _ context: MutationContext
    ) throws(MutationError) -> Instance {
        let record = try state.released(id, context)
        let notice = ReconcileNotice.release(subject(id), .request, by: context.by)
        return try commit(record, "override released", by: context.by, dryRun: context.dryRun, notice: notice)
    }

    private func commit(
        _ record: InstanceRecord,
        _ message: Logger.Message,
        by author: String,
        dryRun: Bool,
        resets: Bool = false,
        notice: ReconcileNotice? = nil
    ) throws(MutationError) -> Instance {
        let status = host.status(of: record.id)
        if !dryRun, resets || state.records[record.id] != record {
            try save(record, notice ?? overriding(record))
            if resets {
                folded[record.id] = status?.traffic
                owesUpdate.insert(record.id)
            }
            keep(record, message, by: author)
        }
        guard let desired = DesiredInstance(record) else { throw .notFound }
        let traffic = dryRun ? record.traffic : total(record.id, status)
        return desired.instance(status: status, traffic: traffic)
    }

    private func save(_ record: InstanceRecord, _ notice: ReconcileNotice?) throws(MutationError) {
        do throws(StateStoreError) {
            notices.publish(try store.save([record], events: notice.map { [draft($0)] } ?? []))
        } catch {
            throw .storage(error)
        }
    }

    /// What is told when a mutation has put an override over a declaration.
    private func overriding(_ record: InstanceRecord) -> ReconcileNotice? {
        guard let override = record.override, override != state.records[record.id]?.override else { return nil }
        return .override(subject(record.id), override)
    }

    private func keep(_ record: InstanceRecord, _ message: Logger.Message, by author: String) {
        state.put(record)
        unsaved.remove(record.id)
        logger.info(message, metadata: ["tunnel": "\(label(record.id))", "peer": "\(author)"])
        wake()
    }
}
