package import Config
package import Tunnel

/// The ordered steps from what is to what should be.
///
/// Pure and total: an instance that is as it should be does not appear, and a plan over the result of a plan is empty.
/// A step that takes an address comes after the step that gives it up. The steps of one stage do not wait for each
/// other.
package struct ReconcilePlan: Sendable, Hashable {
    package enum Action: Sendable, Hashable {
        case remove(InstanceID)
        case stop(InstanceID)
        case run(DesiredInstance, Reason, releaseFirst: Bool)

        package var id: InstanceID {
            switch self {
            case .remove(let id), .stop(let id): id
            case .run(let desired, _, _): desired.id
            }
        }
    }

    /// Why an instance is run.
    package enum Reason: Sendable, Hashable {
        case create
        case start
        case restart
        case change(ChangeClass)

        /// One word, for the log.
        var name: String {
            switch self {
            case .create: "create"
            case .start: "start"
            case .restart: "restart"
            case .change(let change): change.rawValue
            }
        }
    }

    package let stages: [[Action]]
    package var actions: [Action] { stages.flatMap { $0 } }
    package var isEmpty: Bool { stages.isEmpty }

    package init(desired: [DesiredInstance], actual: [InstanceID: TunnelStatus]) {
        var steps: [PlanStep] = []
        for instance in desired {
            if let step = PlanStep(instance, actual[instance.id]) { steps.append(step) }
        }
        let wanted = Set(desired.map(\.id))
        for (id, status) in actual where !wanted.contains(id) {
            steps.append(PlanStep(removing: id, status))
        }
        let stepping = Set(steps.map(\.action.id))
        let resting = desired.filter { !stepping.contains($0.id) }
        steps += PlanStep.again(resting.compactMap { PlanStep(waiting: $0, actual[$0.id]) }, beside: steps)
        var order = PlanOrder(steps.sorted { $0.rank < $1.rank })
        stages = order.stages()
    }
}

/// One instance's step with the addresses it gives up and takes.
struct PlanStep {
    let action: ReconcilePlan.Action
    let releases: Set<ListenAddress>
    let takes: Set<ListenAddress>
    /// It has addresses before and after, which an early stop would interrupt and its own step does not.
    let keepsListening: Bool

    init(removing id: InstanceID, _ status: TunnelStatus) {
        action = .remove(id)
        releases = status.held
        takes = []
        keepsListening = false
    }

    /// A tunnel that is as it should be, but could not bind what it wants and still has what it had before; it may be
    /// trying again at this moment.
    init?(waiting desired: DesiredInstance, _ status: TunnelStatus?) {
        guard desired.shouldRun, let status, status.phase == .backoff || status.phase == .starting else { return nil }
        let wanted = desired.spec.possibleAddresses
        releases = status.held.subtracting(wanted)
        takes = status.reason == .portInUse ? wanted.subtracting(status.held) : []
        action = .run(desired, .start, releaseFirst: releases.conflicts(with: takes))
        keepsListening = !status.held.isDisjoint(with: wanted)
    }

    init?(_ desired: DesiredInstance, _ status: TunnelStatus?) {
        guard desired.shouldRun else {
            guard let status, !status.isDown else { return nil }
            action = .stop(desired.id)
            releases = status.held
            takes = []
            keepsListening = false
            return
        }
        guard let reason = PlanStep.reason(desired, status) else { return nil }
        let (held, wanted) = (status?.held ?? [], desired.spec.possibleAddresses)
        let (released, taken) = (held.subtracting(wanted), wanted.subtracting(held))
        // A tunnel that moves from one host to all of them (or back) on the same port has to release its old address
        // first: the two cannot be bound together.
        action = .run(desired, reason, releaseFirst: released.conflicts(with: taken))
        releases = held.subtracting(reason.keepsSession ? wanted : desired.spec.certainAddresses)
        takes = taken
        keepsListening = reason != .restart && !held.isDisjoint(with: wanted)
    }

    private static func reason(_ desired: DesiredInstance, _ status: TunnelStatus?) -> ReconcilePlan.Reason? {
        guard let status else { return .create }
        if status.isDown { return .start }
        if status.generation != desired.generation { return .restart }
        guard status.spec != desired.spec else { return nil }
        return .change(status.spec.changes(to: desired.spec).map(\.class).max() ?? .live)
    }

    /// Those that need not wait longer, because these steps free what they wait for, and those that must not hold on to
    /// where they were, because another tunnel is to have it.
    static func again(_ waiting: [PlanStep], beside steps: [PlanStep]) -> [PlanStep] {
        var (resting, chosen) = (waiting, [PlanStep]())
        while !resting.isEmpty {
            let freed = (steps + chosen).reduce(into: Set()) { $0.formUnion($1.releases) }
            let claimed = (steps + waiting).reduce(into: Set()) { $0.formUnion($1.takes) }
            let further = resting.filter { $0.takes.conflicts(with: freed) || $0.releases.conflicts(with: claimed) }
            if further.isEmpty { break }
            chosen += further
            let ids = Set(further.map(\.action.id))
            resting.removeAll { ids.contains($0.action.id) }
        }
        return chosen
    }

    /// Removes, then stops, then runs; by id within each, so that equal worlds give equal plans.
    var rank: (Int, InstanceID) {
        switch action {
        case .remove(let id): (0, id)
        case .stop(let id): (1, id)
        case .run(let desired, _, _): (2, desired.id)
        }
    }
}

extension ReconcilePlan.Reason {
    /// What mode and peer have decided stays decided.
    fileprivate var keepsSession: Bool {
        if case .change(let kind) = self { kind < .session } else { false }
    }
}

extension TunnelStatus {
    /// It was stopped, or never ran: only a new `run` starts it again.
    package var isDown: Bool {
        switch phase {
        case .draining, .stopping, .stopped: true
        case .starting, .connecting, .ready, .backoff, .failed: false
        }
    }
}
