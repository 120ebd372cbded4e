import Config
import Reconciler
import TestSupport
import Tunnel

/// What must hold of every plan.
enum PlanProperty: String, Sendable, CaseIterable {
    case releasesBeforeBinds = "no address is bound before it is released"
    case reachesDesired = "the plan reaches what is desired"
    case settles = "a second plan is empty"
    case leavesUnchangedAlone = "an unchanged tunnel appears in no plan"
    case keepsListening = "an address that stays is never given up in between where that can be avoided"
    case stopsOnlyInRings = "a tunnel that should run is stopped only to open a ring"
    case isDeterministic = "the order of the tunnels makes no difference"
}

/// A plan that was made for a case and applied to a fake host.
struct AppliedPlan {
    let plan: ReconcilePlan
    /// Where it does not hold, and how that shows.
    private(set) var failures: [PlanProperty: String] = [:]

    private let desired: [DesiredInstance]
    private let before: [InstanceID: TunnelStatus]
    private let after: [InstanceID: TunnelStatus]
    private let world: PlanCase

    init(_ world: PlanCase) async throws {
        let host = await world.host()
        self.world = world
        desired = try world.desired
        before = host.snapshot()
        plan = ReconcilePlan(desired: desired, actual: before)
        await plan.apply(to: host)
        after = host.snapshot()
        note(.releasesBeforeBinds, host.violations)
        note(.reachesDesired, desired.compactMap(missed))
        note(.reachesDesired, Set(after.keys).subtracting(desired.map(\.id)).sorted().map { "\($0) is still there" })
        note(.settles, ReconcilePlan(desired: desired, actual: after).actions.map { "again \($0.id)" })
        note(.leavesUnchangedAlone, plan.actions.map(\.id).filter(isUntouchable))
        let rings = PlanRings(desired, before)
        note(.keepsListening, host.interruptions.subtracting(rings.unavoidable).sorted())
        note(.stopsOnlyInRings, Set(stoppedEarly).subtracting(rings.members).sorted())
        if ReconcilePlan(desired: desired.reversed(), actual: before) != plan { note(.isDeterministic, ["it does"]) }
    }

    private mutating func note(_ property: PlanProperty, _ problems: [String]) {
        guard !problems.isEmpty else { return }
        failures[property] = problems.joined(separator: "; ")
    }

    private var stoppedEarly: [InstanceID] {
        let running = Set(desired.filter(\.shouldRun).map(\.id))
        return plan.actions.compactMap { action in
            if case .stop(let id) = action, running.contains(id) { id } else { nil }
        }
    }

    /// What it should be and is already; a tunnel that waits for an address may be helped.
    private func isUntouchable(_ id: InstanceID) -> Bool {
        guard let wish = desired.first(where: { $0.id == id }) else { return false }
        guard let status = before[id], !status.isDown else { return !wish.shouldRun }
        let isSame = wish.shouldRun && status.spec == wish.spec && status.generation == wish.generation
        return isSame && status.phase != .backoff
    }

    private func missed(_ wish: DesiredInstance) -> String? {
        guard wish.shouldRun else {
            return after[wish.id].map(\.isDown) ?? true ? nil : "\(wish.id) still runs"
        }
        guard let status = after[wish.id], !status.isDown else { return "\(wish.id) does not run" }
        guard status.spec == wish.spec, status.generation == wish.generation else { return "\(wish.id) is another" }
        guard let binds = world.after.first(where: { $0.id == wish.id })?.binds else { return nil }
        let isOthers = binds.conflicts(with: world.occupied)
        let isStepped = plan.actions.contains { $0.id == wish.id }
        switch status.phase {
        case .ready, .connecting:
            // Where `auto` came to the other way before, it stays with that.
            let mayDiffer = wish.spec.mode == .auto && (isOthers || !isStepped)
            return status.held == binds || mayDiffer ? nil : "\(wish.id) has \(status.held.map(\.text).sorted())"
        case .backoff: return isOthers ? nil : "\(wish.id) waits for nobody"
        case .failed: return isStepped ? "\(wish.id) has failed" : nil
        case .starting, .draining, .stopping, .stopped: return "\(wish.id) is \(status.phase)"
        }
    }
}

/// Who waits for whom among the tunnels that change places.
private struct PlanRings {
    /// For each tunnel those that must give something up before it can have what it wants.
    private var waits: [InstanceID: Set<InstanceID>] = [:]
    /// Tunnels with an address that they have before and after, and that no restart takes from them.
    private var keepers: Set<InstanceID> = []

    init(_ desired: [DesiredInstance], _ before: [InstanceID: TunnelStatus]) {
        let running = desired.filter(\.shouldRun)
        for tunnel in running {
            let (held, wanted) = (before[tunnel.id]?.held ?? [], tunnel.spec.possibleAddresses)
            if !held.isDisjoint(with: wanted), before[tunnel.id]?.generation == tunnel.generation {
                keepers.insert(tunnel.id)
            }
            let owners = running.filter { owner in
                let given = (before[owner.id]?.held ?? []).subtracting(owner.spec.certainAddresses)
                return owner.id != tunnel.id && wanted.subtracting(held).conflicts(with: given)
            }
            waits[tunnel.id] = Set(owners.map(\.id))
        }
    }

    var members: Set<InstanceID> { members(among: Set(waits.keys)) }

    /// Those in a ring in which everybody keeps an address.
    var unavoidable: Set<InstanceID> { members(among: keepers) }

    private func members(among allowed: Set<InstanceID>) -> Set<InstanceID> {
        allowed.filter { start in
            var reached: Set<InstanceID> = []
            var open: Set<InstanceID> = [start]
            while let next = open.popFirst() {
                let further = (waits[next] ?? []).intersection(allowed).subtracting(reached)
                reached.formUnion(further)
                open.formUnion(further)
            }
            return reached.contains(start)
        }
    }
}
