import Config
import NIOCore
import Synchronization

/// What one tunnel's connections share, whatever run they belong to: its counters, its present plan, its log.
///
/// Listeners and connections hold this instead of the tunnel, so that a live change is one swap and a handed-over listener
/// needs no rebinding.
final class TunnelContext: Sendable {
    let id: InstanceID
    /// Where everything of a two-ended tunnel lives; single-end connections are spread over all loops.
    let home: any EventLoop
    let counters = TrafficCounters()
    let descriptors: TunnelDescriptors
    let dialer: TargetDialer
    let log: TunnelLog

    private struct Current {
        var plan: ForwardingPlan
        var group = ConnectionGroup()
        var serverEnd: NIOLoopBound<ServerEnd>?
    }

    private let current: Mutex<Current>
    /// Made by the first end that has links.
    private let boundEntrance: NIOLoopBoundBox<LinkEntrance?>

    init(
        id: InstanceID,
        spec: TunnelSpec,
        home: any EventLoop,
        dialer: TargetDialer,
        descriptors: TunnelDescriptors,
        log: TunnelLog
    ) {
        self.id = id
        self.home = home
        self.dialer = dialer
        self.descriptors = descriptors
        self.log = log
        boundEntrance = .makeEmptyBox(eventLoop: home)
        current = Mutex(Current(plan: ForwardingPlan(spec, following: nil)))
    }

    /// The plan and the group a connection accepted now belongs to.
    func admission() -> (plan: ForwardingPlan, group: ConnectionGroup) {
        current.withLock { ($0.plan, $0.group) }
    }

    var environment: TunnelEnvironment { dialer.environment }

    /// Where the users of a two-ended tunnel get links; on the home loop only.
    var entrance: LinkEntrance {
        if let entrance = boundEntrance.value { return entrance }
        let entrance = LinkEntrance(loop: home, patience: TimeAmount(environment.poolGetTimeout), log: log)
        boundEntrance.value = entrance
        return entrance
    }

    /// What judges connections to a server's tunnel port; on the home loop only.
    var serverEnd: ServerEnd? { current.withLock { $0.serverEnd }?.value }

    /// Has connections on the tunnel's port judged by this end from now on.
    func meet(at end: NIOLoopBound<ServerEnd>?) {
        current.withLock { $0.serverEnd = end }
    }

    /// Counts a user for whom there is no descriptor.
    func refuseUser() {
        counters.countRefused()
        descriptors.budget.countRefused()
        guard descriptors.budget.isLineDue() else { return }
        log.write(.warn, "User refused: \(descriptors.budget.shortage)")
    }

    /// Notes that no target was reached for a user, who is refused where it was for want of a descriptor.
    func unreachable(_ error: any Error) {
        if (error as? TunnelError)?.reason == .tooManyOpenFiles { return refuseUser() }
        log.write(.error, "Target unreachable: \(TunnelError.text(of: error))")
    }

    /// Treats connections from now on by `spec`; those that exist are left alone.
    func apply(_ spec: TunnelSpec) {
        current.withLock { $0.plan = ForwardingPlan(spec, following: $0.plan) }
        log.follow(spec)
    }

    /// Starts a new group and returns the one that held every connection so far.
    func retireGroup() -> ConnectionGroup {
        current.withLock { current in
            let retired = current.group
            current.group = ConnectionGroup()
            return retired
        }
    }
}
