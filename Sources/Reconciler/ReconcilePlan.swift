package import Config
package import Tunnel

/// The ordered steps from what is to what should be.
///
/// Pure and total: an instance that is as it should be does not appear, and a plan over the result of a plan is empty.
/// Whoever needs an address comes after whoever gives it up; `stages` are the steps that do not wait for each other.
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
        let freed = steps.flatMap(\.releases)
        let stepping = Set(steps.map(\.action.id))
        if !freed.isEmpty {
            for instance in desired where !stepping.contains(instance.id) {
                if let step = PlanStep(retrying: instance, actual[instance.id], freed: freed) { steps.append(step) }
            }
        }
        var order = PlanOrder(steps.sorted { $0.rank < $1.rank })
        stages = order.stages()
    }
}

/// One instance's step with the addresses it gives up and takes.
struct PlanStep {
    let action: ReconcilePlan.Action
    let releases: Set<ListenAddress>
    let takes: Set<ListenAddress>
    /// Addresses it has before and after, which an early stop would interrupt.
    let keepsListening: Bool

    init(removing id: InstanceID, _ status: TunnelStatus) {
        action = .remove(id)
        releases = status.heldAddresses
        takes = []
        keepsListening = false
    }

    /// A tunnel that waits for an address which this plan frees: it need not wait out its backoff.
    init?(retrying desired: DesiredInstance, _ status: TunnelStatus?, freed: [ListenAddress]) {
        guard desired.shouldRun, status?.phase == .backoff, status?.reason == .portInUse else { return nil }
        let wanted = desired.spec.listenAddresses
        guard wanted.contains(where: { address in freed.contains { $0.conflicts(with: address) } }) else { return nil }
        action = .run(desired, .start, releaseFirst: false)
        releases = []
        takes = wanted
        keepsListening = false
    }

    init?(_ desired: DesiredInstance, _ status: TunnelStatus?) {
        guard desired.shouldRun else {
            guard let status, !status.isDown else { return nil }
            action = .stop(desired.id)
            releases = status.heldAddresses
            takes = []
            keepsListening = false
            return
        }
        guard let reason = PlanStep.reason(desired, status) else { return nil }
        let (held, wanted) = (status?.heldAddresses ?? [], desired.spec.listenAddresses)
        let (released, taken) = (held.subtracting(wanted), wanted.subtracting(held))
        // Moving from one host to all of them (or back) on the same port: it stands in its own way.
        let blocksItself = taken.contains { new in released.contains { $0.conflicts(with: new) } }
        action = .run(desired, reason, releaseFirst: blocksItself)
        releases = released
        takes = taken
        keepsListening = !held.isDisjoint(with: wanted)
    }

    private static func reason(_ desired: DesiredInstance, _ status: TunnelStatus?) -> ReconcilePlan.Reason? {
        guard let status else { return .create }
        if status.isDown { return .start }
        if status.generation != desired.generation { return .restart }
        guard status.spec != desired.spec else { return nil }
        return .change(status.spec.changes(to: desired.spec).map(\.class).max() ?? .live)
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

extension TunnelStatus {
    /// It was told to stop (or never ran): only a new `run` brings it back.
    package var isDown: Bool {
        switch phase {
        case .draining, .stopping, .stopped: true
        case .starting, .connecting, .ready, .backoff, .failed: false
        }
    }

    /// What it may hold now; nothing once it is told to stop.
    package var heldAddresses: Set<ListenAddress> {
        isDown ? [] : spec.listenAddresses
    }
}
