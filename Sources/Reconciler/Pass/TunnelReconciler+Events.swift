import Config
import FoundationEssentials
import Logging
import Tunnel

/// What the world has been told of one instance: the last step of its life, and the values a client can compare.
struct ToldInstance: Sendable {
    private struct View: Hashable {
        let name: String?
        let origin: Instance.Origin
        let url: String
        let labels: TunnelLabels
        let autostart: Bool
        let revision: String
        let override: Override?

        init(_ desired: DesiredInstance) {
            name = desired.name
            origin = desired.origin
            url = desired.url
            labels = desired.labels
            autostart = desired.autostart
            revision = desired.revision
            override = desired.override
        }
    }

    /// Sequence of the last transition that was told; nil before the host has shown one.
    var cursor: Int?
    var phase = TunnelPhase.stopped
    /// It fails, and the world knows.
    var isDrifting = false
    /// The form a client has seen; nil for one that it has not, or that was hidden.
    var shown: DesiredInstance?
    /// The last form it had, for the event of its end.
    var last: DesiredInstance?

    init() {}

    /// The steps of a life that were not told yet; that one begins as stopped is no news.
    func unseen(of status: TunnelStatus?) -> [PhaseTransition] {
        let transitions = status?.transitions ?? []
        guard let cursor else { return Array(transitions.drop { $0.phase == .stopped }) }
        return transitions.filter { $0.sequence > cursor }
    }

    /// As a former run of the daemon left it.
    init(record: InstanceRecord) {
        var lasting = record
        lasting.departing = false
        shown = DesiredInstance(record)
        last = shown ?? DesiredInstance(lasting) ?? DesiredInstance(lasting.withoutOverride)
    }

    /// Whether a client could tell this form from the one it has seen.
    func differs(from desired: DesiredInstance) -> Bool {
        guard let shown else { return true }
        return shown !== desired && View(shown) != View(desired)
    }
}

/// The events and records one pass stores together.
private struct Settlement {
    var drafts: [EventDraft] = []
    var records: [InstanceID: InstanceRecord] = [:]
    var removed: [InstanceID] = []
    /// Instances whose `delete` is among the drafts.
    var ended: [InstanceID] = []
    var told: [InstanceID: ToldInstance]
}

extension TunnelReconciler {
    /// Stores changed records and unseen events in one transaction, then publishes; false when the store refused.
    ///
    /// When it does, nothing counts as told: the next pass tries again with everything that has come up by then.
    func settle() -> Bool {
        let actual = host.snapshot()
        var settlement = Settlement(told: told)
        settlement.drafts = unsentNotices.map(draft)
        for id in unsaved { settlement.records[id] = state.records[id] }
        let news = state.desired.values.filter { hasNews($0, actual[$0.id]) }
        for desired in news.sorted(by: DesiredState.precedes) { tell(desired, actual[desired.id], into: &settlement) }
        for id in told.keys.filter({ state.desired[$0] == nil && actual[$0] == nil }).sorted() {
            tellEnd(of: id, into: &settlement)
        }
        for record in state.records.values where record.departing && actual[record.id] == nil {
            settlement.records[record.id] = nil
            settlement.removed.append(record.id)
        }
        return save(settlement)
    }

    private func save(_ settlement: Settlement) -> Bool {
        let events: [StreamEvent]
        do throws(StateStoreError) {
            events = try store.save(
                settlement.records.values.sorted { $0.id < $1.id },
                removing: settlement.removed,
                events: settlement.drafts
            )
        } catch {
            if progress.storageProblem != error {
                logger.error("state not stored, trying again", metadata: ["reason": "\(error)"])
            }
            progress.storageProblem = error
            return false
        }
        progress.storageProblem = nil
        for record in settlement.records.values { state.put(record) }
        for id in settlement.removed {
            state.forget(id)
            folded[id] = nil
            reported[id] = nil
            logs.forget(id)
        }
        for id in settlement.ended { logs.endFollowing(id) }
        told = settlement.told
        unsaved = []
        owesUpdate = []
        unsentNotices = []
        hub.publish(events)
        notices.publish(events)
        releaseHeldLog()
        return true
    }

    private func hasNews(_ desired: DesiredInstance, _ status: TunnelStatus?) -> Bool {
        guard let known = told[desired.id], !owesUpdate.contains(desired.id) else { return true }
        if let newest = status?.transitions.last?.sequence, newest > known.cursor ?? Int.min { return true }
        return known.differs(from: desired)
    }

    private func tell(_ desired: DesiredInstance, _ status: TunnelStatus?, into settlement: inout Settlement) {
        let id = desired.id
        var known = settlement.told[id] ?? ToldInstance()
        if settlement.told[id] == nil {
            settlement.drafts.append(draft(.create, desired.stoppedInstance(traffic: total(id, status))))
            var record = settlement.records[id] ?? state.records[id]
            record?.announced = true
            settlement.records[id] = record
            known.shown = desired
        }
        let steps = known.unseen(of: status)
        for (index, step) in steps.enumerated() {
            var past = status
            past?.transitions.removeLast(steps.count - 1 - index)
            settlement.drafts.append(update(desired, past, at: step.time))
            if let drift = drift(desired, known.isDrifting, step) {
                settlement.drafts.append(draft(drift))
                known.isDrifting.toggle()
            }
            log(step, id)
        }
        if steps.isEmpty, known.differs(from: desired) || owesUpdate.contains(id) {
            settlement.drafts.append(update(desired, status, at: now()))
        }
        known.cursor = steps.last?.sequence ?? known.cursor
        known.phase = steps.last?.phase ?? known.phase
        if !desired.shouldRun { known.isDrifting = false }
        known.shown = desired
        known.last = desired
        settlement.told[id] = known
    }

    /// The host has forgotten it: one `update` to stopped if the world thinks it runs, then `delete`.
    private func tellEnd(of id: InstanceID, into settlement: inout Settlement) {
        guard let known = settlement.told.removeValue(forKey: id), let last = known.last else { return }
        let instance = last.stoppedInstance(traffic: state.records[id]?.traffic ?? Traffic())
        if known.phase != .stopped { settlement.drafts.append(draft(.update, instance)) }
        settlement.drafts.append(draft(.delete, instance))
        settlement.ended.append(id)
        if var record = settlement.records[id] ?? state.records[id] {
            record.announced = false
            settlement.records[id] = record
        }
    }

    private func update(_ desired: DesiredInstance, _ status: TunnelStatus?, at time: Date) -> EventDraft {
        let instance = desired.instance(status: status, traffic: total(desired.id, status))
        let payload = render(.update, time, instance, "")
        return EventDraft(kind: .update, time: time, instanceID: desired.id, payload: payload)
    }

    func draft(_ notice: ReconcileNotice) -> EventDraft {
        let time = now()
        let payload = renderNotice(notice, time)
        return EventDraft(kind: notice.kind, time: time, instanceID: notice.subject?.id, payload: payload)
    }

    /// A tunnel that fails by itself, and one that has recovered.
    private func drift(_ desired: DesiredInstance, _ isDrifting: Bool, _ step: PhaseTransition) -> ReconcileNotice? {
        guard desired.shouldRun, isDrifting ? step.phase == .ready : step.phase.isFailing else { return nil }
        let subject = subject(desired.id)
        return .drift(subject, step.phase, step.reason, message: step.message, isResolved: isDrifting)
    }

    private func draft(_ kind: StreamEvent.Kind, _ instance: Instance) -> EventDraft {
        let time = now()
        return EventDraft(kind: kind, time: time, instanceID: instance.id, payload: render(kind, time, instance, ""))
    }

    private func log(_ step: PhaseTransition, _ id: InstanceID) {
        let level: Logger.Level = step.phase == .failed || step.phase == .backoff ? .warning : .info
        logger.log(
            level: level,
            "tunnel phase",
            metadata: [
                "tunnel": "\(label(id))", "phase": "\(step.phase.rawValue)",
                "reason": "\(step.reason?.rawValue ?? "")", "detail": "\(step.message)",
            ]
        )
    }
}

extension DesiredInstance {
    /// As it looks before it is started and after it has ended.
    fileprivate func stoppedInstance(traffic: Traffic) -> Instance {
        var instance = instance(status: nil, traffic: traffic)
        instance.shouldRun = false
        return instance
    }
}
