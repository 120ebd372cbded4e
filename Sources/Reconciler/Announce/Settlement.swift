import FoundationEssentials
import Tunnel

/// What one pass stores and announces together: changed records, and the events of all that happened since the last one.
///
/// A value: it is made from what is known, and counts only once the store has taken it. Where the store
/// refuses, the next pass makes another one with everything that has come up by then.
struct Settlement {
    /// What a settlement is made from.
    struct Inputs {
        let state: DesiredState
        let actual: [InstanceID: TunnelStatus]
        /// Instances that were removed and whose connections may still finish.
        let leaving: Set<InstanceID>
        let traffic: TrafficLedger
        let now: Date
    }

    private(set) var events: [RecordedEvent]
    private(set) var records: [InstanceID: InstanceRecord] = [:]
    private(set) var removed: [InstanceID] = []
    /// Instances whose `delete` is among the events.
    private(set) var ended: [InstanceID] = []
    /// The steps among the events, for the daemon's log.
    private(set) var steps: [(id: InstanceID, step: PhaseTransition)] = []
    /// What clients know when they have seen the events.
    private(set) var announcements: Announcements

    private let inputs: Inputs
    private let owedUpdates: Set<InstanceID>

    init(of inputs: Inputs, announcements: Announcements, outbox: Outbox) {
        self.inputs = inputs
        self.announcements = announcements
        owedUpdates = outbox.updates
        events = outbox.notices
        for id in outbox.records { records[id] = inputs.state.records[id] }
        let news = inputs.state.desired.values.filter(hasNews)
        for desired in news.sorted(by: DesiredState.precedes) { announce(desired) }
        for id in gone.sorted() { announceEnd(of: id) }
        // A record whose connections drain is kept for a declaration that comes back.
        let departing = inputs.state.records.values.filter(\.departing).map(\.id)
        for id in departing where inputs.actual[id] == nil && !inputs.leaving.contains(id) {
            records[id] = nil
            removed.append(id)
        }
    }

    /// Those that clients know, and that neither are wanted nor run.
    private var gone: [InstanceID] {
        announcements.instances.keys.filter { inputs.state.desired[$0] == nil && inputs.actual[$0] == nil }
    }

    private func hasNews(_ desired: DesiredInstance) -> Bool {
        guard let known = announcements[desired.id], !owedUpdates.contains(desired.id) else { return true }
        return known.hasNews(desired, inputs.actual[desired.id])
    }

    /// `create` first, then one `update` for each step of its life, or one for a change without a step.
    private mutating func announce(_ desired: DesiredInstance) {
        let id = desired.id
        let status = inputs.actual[id]
        if announcements[id] == nil { announceCreation(of: desired, status) }
        var known = announcements[id] ?? AnnouncedInstance()
        let steps = known.unseen(of: status)
        var former = known.phase
        for (index, step) in steps.enumerated() {
            defer { former = step.phase }
            // What fails in another way still fails, and NodePass's clients see no difference; reports have the reason.
            if former == step.phase || former.isFailing && step.phase.isFailing { continue }
            // Each event shows the instance as it was with that step.
            var past = status
            past?.transitions.removeLast(steps.count - 1 - index)
            append(.update, desired.instance(status: past, traffic: total(id)), at: step.time)
            if let drift = drift(of: desired, isDrifting: known.isDrifting, step) {
                events.append(RecordedEvent(time: inputs.now, .notice(drift)))
                known.isDrifting.toggle()
            }
            self.steps.append((id, step))
        }
        if steps.isEmpty, known.differs(from: desired) || owedUpdates.contains(id) {
            append(.update, desired.instance(status: status, traffic: total(id)), at: inputs.now)
        }
        known.note(desired, steps)
        announcements[id] = known
    }

    private mutating func announceCreation(of desired: DesiredInstance, _ status: TunnelStatus?) {
        append(.create, desired.stoppedInstance(traffic: total(desired.id)), at: inputs.now)
        setAnnounced(true, desired.id)
        var known = AnnouncedInstance()
        known.note(desired, [])
        announcements[desired.id] = known
    }

    /// The host has forgotten it: one `update` to stopped where clients think that it runs, then `delete`.
    private mutating func announceEnd(of id: InstanceID) {
        let known = announcements[id]
        announcements[id] = nil
        guard let known, let last = known.last else { return }
        let instance = last.stoppedInstance(traffic: inputs.state.records[id]?.traffic ?? Traffic())
        if known.phase != .stopped { append(.update, instance, at: inputs.now) }
        append(.delete, instance, at: inputs.now)
        ended.append(id)
        setAnnounced(false, id)
    }

    private mutating func setAnnounced(_ isAnnounced: Bool, _ id: InstanceID) {
        guard var record = records[id] ?? inputs.state.records[id] else { return }
        record.announced = isAnnounced
        records[id] = record
    }

    private mutating func append(_ kind: StreamEvent.Kind, _ instance: Instance, at time: Date) {
        events.append(RecordedEvent(time: time, .instance(kind, InstanceSnapshot(instance))))
    }

    private func total(_ id: InstanceID) -> Traffic {
        let stored = inputs.state.records[id]?.traffic ?? Traffic()
        return inputs.traffic.total(id, stored: stored, inputs.actual[id])
    }

    /// A tunnel that fails by itself, or one that has recovered.
    private func drift(of desired: DesiredInstance, isDrifting: Bool, _ step: PhaseTransition) -> ReconcileNotice? {
        guard desired.shouldRun, isDrifting ? step.phase == .ready : step.phase.isFailing else { return nil }
        let subject = inputs.state.subject(desired.id)
        return .drift(subject, step.phase, step.reason, message: step.message, isResolved: isDrifting)
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
