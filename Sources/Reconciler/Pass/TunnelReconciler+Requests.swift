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
        let context = MutationContext(by: request.by, note: request.note, dryRun: request.dryRun)
        return try commit(record, .create, context)
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
        return try commit(record, patch.action?.change ?? .edit, context, resets: resets)
    }

    /// A new URL: the tunnel moves over to it by class, and runs.
    package func replace(
        _ id: InstanceID,
        by tunnel: CheckedTunnel,
        _ context: MutationContext
    ) throws(MutationError) -> Instance {
        try commit(try state.replaced(id, by: tunnel, context, now: settings.now()), .replace, context)
    }

    /// Returns what was deleted; it stops in the pass that follows.
    @discardableResult
    package func delete(_ id: InstanceID, _ context: MutationContext) throws(MutationError) -> Instance {
        guard let last = instance(id) else { throw .notFound }
        let record = try state.deleted(id, context, now: settings.now())
        guard !context.dryRun else { return last }
        try store(record, notice(of: .delete, record, context), context)
        return last
    }

    /// Ends the override of a declared tunnel; without one nothing happens.
    package func release(
        _ id: InstanceID,
        _ context: MutationContext
    ) throws(MutationError) -> Instance {
        let record = try state.released(id, context)
        let notice = ReconcileNotice.release(state.subject(id), .request, by: context.by, note: context.note)
        return try commit(record, notice, context)
    }

    /// Accepts a peer again that offers less than it has before, and tries at once where the tunnel waits.
    package func forgetPeer(_ id: InstanceID, _ context: MutationContext) throws(MutationError) -> Instance {
        guard var record = state.records[id], let current = instance(id) else { throw .notFound }
        guard hasPeer(current) else {
            throw .conflict("The tunnel connects to its target by itself: it has no peer")
        }
        guard !context.dryRun else { return current }
        do throws(StateStoreError) {
            try store.forgetPeers(of: [id])
        } catch {
            throw .storage(error)
        }
        host.forgetPeer(of: id)
        if host.status(of: id)?.phase.isFailing == true { record.generation += 1 }
        try store(record, notice(of: .forgetPeer, record, context), context)
        return instance(id) ?? current
    }

    // A function of its own, because the optimizer of Swift 6.3.1 ends with an error on it inside `forgetPeer`.
    @inline(never)
    private func hasPeer(_ instance: Instance) -> Bool {
        if instance.spec.role == .server { return true }
        return instance.spec.mode != .one && instance.status?.resolvedMode != TunnelMode.one.rawValue
    }

    private func commit(
        _ record: InstanceRecord,
        _ change: ReconcileNotice.RequestedChange,
        _ context: MutationContext,
        resets: Bool = false
    ) throws(MutationError) -> Instance {
        try commit(record, notice(of: change, record, context), context, resets: resets)
    }

    private func commit(
        _ record: InstanceRecord,
        _ notice: ReconcileNotice,
        _ context: MutationContext,
        resets: Bool = false
    ) throws(MutationError) -> Instance {
        if !context.dryRun, resets || state.records[record.id] != record {
            try store(record, notice, context, resets: resets)
        }
        guard let desired = DesiredInstance(record) else { throw .notFound }
        let status = host.status(of: record.id)
        let traffic = context.dryRun ? record.traffic : total(record.id, status)
        return desired.instance(status: status, traffic: traffic)
    }

    private func store(
        _ record: InstanceRecord,
        _ notice: ReconcileNotice,
        _ context: MutationContext,
        resets: Bool = false
    ) throws(MutationError) {
        do throws(StateStoreError) {
            try commit(record, notice, resets: resets)
        } catch {
            throw .storage(error)
        }
        settings.logger.info(notice, naming: state.label(record.id), context)
    }

    /// What a mutation is reported as: the override it has put over a declaration, or itself.
    private func notice(
        of change: ReconcileNotice.RequestedChange,
        _ record: InstanceRecord,
        _ context: MutationContext
    ) -> ReconcileNotice {
        let subject = state.subject(record)
        guard let override = record.override, override != state.records[record.id]?.override else {
            return .request(subject, change, by: context.by, note: context.note)
        }
        return .override(subject, override)
    }
}

extension InstancePatch.Action {
    fileprivate var change: ReconcileNotice.RequestedChange {
        switch self {
        case .start: .start
        case .stop: .stop
        case .restart: .restart
        case .reset: .reset
        }
    }
}
