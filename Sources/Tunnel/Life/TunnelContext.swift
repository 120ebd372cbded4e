import Config
import FoundationEssentials
import NIOCore
import Synchronization

/// What one tunnel's connections share, whatever run they belong to: its counters, its present
/// plan, its log.
///
/// Listeners and connections hold this instead of the tunnel, so that a live change is one swap and
/// a listener that stays needs no rebinding.
final class TunnelContext: Sendable {
    let id: InstanceID
    /// Where everything of a two-ended tunnel lives; single-end connections are spread over all
    /// loops.
    let home: any EventLoop
    let counters = TrafficCounters()
    let descriptors: TunnelDescriptors
    let dialer: TargetDialer
    let log: TunnelLog
    /// Both are shared by all tunnels.
    let unproven: UnprovenRoom
    let datagramRoom: DatagramRoom
    let reactors: ReactorGroup
    private let peers: PeerMemory

    private struct Current {
        var plan: ForwardingPlan
        var group = ConnectionGroup()
        /// Connections from before the tunnel left, which came back with it.
        var returned: [ConnectionGroup] = []
        var serverEnd: NIOLoopBound<ServerEnd>?
        var door: ServerDoor
        /// Where its clients come to.
        var ports: [TunnelPort] = []
    }

    private let current: Mutex<Current>
    private let present = Mutex<PeerSummary?>(nil)
    /// The target as the other end reports it.
    private let farTarget = Mutex(TargetHealth(target: nil))
    /// Both are made by the first end that has links, and stay across its sessions.
    private let boundEntrance: NIOLoopBoundBox<LinkEntrance?>
    private let boundExit: NIOLoopBoundBox<LinkExit?>

    init(
        id: InstanceID,
        spec: TunnelSpec,
        home: any EventLoop,
        dialer: TargetDialer,
        descriptors: TunnelDescriptors,
        log: TunnelLog,
        unproven: UnprovenRoom,
        datagramRoom: DatagramRoom,
        reactors: ReactorGroup,
        peers: PeerMemory
    ) {
        self.id = id
        self.home = home
        self.dialer = dialer
        self.descriptors = descriptors
        self.log = log
        self.unproven = unproven
        self.datagramRoom = datagramRoom
        self.reactors = reactors
        self.peers = peers
        boundEntrance = .makeEmptyBox(eventLoop: home)
        boundExit = .makeEmptyBox(eventLoop: home)
        current = Mutex(Current(plan: ForwardingPlan(spec, following: nil), door: ServerDoor(spec)))
    }

    /// The plan and the group a connection accepted now belongs to.
    func admission() -> (plan: ForwardingPlan, group: ConnectionGroup) {
        current.withLock { ($0.plan, $0.group) }
    }

    var environment: TunnelEnvironment { dialer.environment }

    /// Of links that are made now.
    var linkKeepAlive: KeepAlive? { admission().plan.keepAlive?.forLinks(environment) }

    /// Where the users of a two-ended tunnel get links; on the home loop only.
    var entrance: LinkEntrance {
        if let entrance = boundEntrance.value { return entrance }
        let entrance = LinkEntrance(loop: home, patience: TimeAmount(environment.poolGetTimeout), log: log)
        boundEntrance.value = entrance
        return entrance
    }

    /// What dials targets for the links of a two-ended tunnel; on the home loop only.
    var exit: LinkExit {
        if let exit = boundExit.value { return exit }
        let exit = LinkExit(tunnel: self)
        boundExit.value = exit
        return exit
    }

    /// What judges connections to a server's tunnel port.
    var serverEnd: NIOLoopBound<ServerEnd>? {
        get { current.withLock { $0.serverEnd } }
        set { current.withLock { $0.serverEnd = newValue } }
    }

    /// By what its clients are distinguished from those of other servers at the same address.
    var door: ServerDoor { current.withLock { $0.door } }

    func enters(_ port: TunnelPort) {
        current.withLock { $0.ports.append(port) }
    }

    func leaves(_ port: TunnelPort) {
        current.withLock { $0.ports.removeAll { $0 === port } }
    }

    /// Whether its ports take the door that its spec has now; why not, where others would be mistaken for it.
    func renewDoor() -> TunnelError? {
        let (ports, door) = current.withLock { ($0.ports, $0.door) }
        return ports.lazy.compactMap { $0.renew(self, door) }.first
    }

    /// Other servers whose handshakes come to the same port; on the home loop only.
    var neighbors: [ServerEnd] {
        // Links over QUIC have a port of their own beside it, with the same tunnels.
        let port = current.withLock { $0.ports.first { $0.address.transport == .tcp } }
        return (port?.tunnels ?? []).filter { $0 !== self }.compactMap { $0.serverEnd?.value }
    }

    /// Counts a connection to a server's tunnel port that was refused.
    func rejected(_ address: String, _ why: String) {
        counters.countRejected()
        log.write(.warn, .rejected, "Connection from \(address) refused: \(why)")
    }

    /// From which a server's tokens for QUIC are derived.
    var tokenSecret: [UInt8] { peers.tokenSecret }

    /// Whether the other end has been sealed before; `server` is where a client finds it.
    func isSealed(server: String = "") -> Bool {
        peers.isSealed(PeerMemory.Peer(instance: id, server: server))
    }

    /// Notes for good that the other end has been sealed; fails where that cannot be kept.
    func rememberSealed(server: String = "") -> EventLoopFuture<Void> {
        let peer = PeerMemory.Peer(instance: id, server: server)
        guard !peers.isSealed(peer) else { return home.makeSucceededVoidFuture() }
        // A task, because a callback of the loop has to wait for the store.
        return home.makeFutureWithTask { [peers] in
            do {
                try await peers.remember(peer)
            } catch {
                throw TunnelError(
                    .internalError,
                    "cannot note that the other end is sealed: \(ErrorText.words(for: error))"
                )
            }
        }
    }

    func onHome<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { done in
            home.execute { done.resume(returning: work()) }
        }
    }

    /// Counts a user for whom there is no descriptor.
    func refuseUser() {
        counters.countRefused()
        descriptors.budget.countRefused()
        guard descriptors.budget.isLineDue() else { return }
        log.write(.warn, "User refused: \(descriptors.budget.shortage)")
    }

    /// Notes that no target was reached for a user, who is refused where no descriptor was free.
    func unreachable(_ error: any Error) {
        if (error as? TunnelError)?.reason == .tooManyOpenFiles { return refuseUser() }
        log.write(.error, .targetUnreachable, "Target unreachable: \(ErrorText.words(for: error))")
    }

    /// Notes that a target's UDP socket failed: mostly the target refuses, with a message of its machine.
    func targetFailed(_ index: Int, _ plan: ForwardingPlan, _ error: any Error) {
        let target = plan.rotation.targets[index]
        let problem = ErrorText.words(for: error)
        plan.rotation.failed(index, error is IOError ? TargetFailure(error) : .refused, problem)
        log.write(.error, .targetFailed, "Target failed: udp \(target): \(problem)")
    }

    /// Looks the name of a UDP target up that stays silent; where it has moved, that is noted, and `reconnect` called.
    func reconnectIfMoved(
        _ index: Int,
        from address: SocketAddress,
        _ plan: ForwardingPlan,
        on loop: any EventLoop,
        _ reconnect: @escaping () -> Void
    ) {
        let target = plan.rotation.targets[index]
        dialer.hasMoved(target, from: address, plan, on: loop).assumeIsolated().whenSuccess { hasMoved in
            guard hasMoved else { return }
            let problem = "no answer from \(address.ipAddress ?? "its address"), and its name has moved"
            plan.rotation.failed(index, .timeout, problem)
            self.log.write(.error, .targetFailed, "Target failed: udp \(target): \(problem); connecting again")
            reconnect()
        }
    }

    /// Notes that the other end could not connect a user, and why.
    func refusedByPeer(_ why: String) {
        let why = PlainText.line(String(why.prefix(TunnelLimits.refusalTextLength)))
        farTarget.withLock { target in
            if why.hasPrefix(LinkExit.unreachable) {
                target.failed(.otherEnd, String(why.dropFirst(LinkExit.unreachable.count)), at: Date())
            } else {
                target.note(why, at: Date())
            }
        }
        log.write(.error, .refusedByPeer, "The peer refused a connection: \(why)")
    }

    /// Whether the other end has lately reached no target.
    var isFarTargetFailing: Bool { farTarget.withLock { $0.failures > 0 } }

    /// Notes that the other end has connected a user.
    func servedByPeer() {
        let hasFailed = farTarget.withLock { target in
            defer { target.reached(at: Date()) }
            return target.failures > 0
        }
        if hasFailed { log.write(.info, .servedByPeer, "The peer connects users again") }
    }

    /// Failures to reach a target so far, by cause.
    var targetFailures: [TargetFailure: Int] {
        admission().plan.rotation.failures.merging(farTarget.withLock { $0.totals }, uniquingKeysWith: +)
    }

    /// The other end, or the one that was here last; nil before the first.
    var peer: PeerSummary? { present.withLock { $0 } }

    /// The other end is connected.
    func peerCame(_ peer: PeerSummary) {
        present.withLock { $0 = peer }
    }

    func peerLeft() {
        present.withLock { $0?.lostTime = Date() }
    }

    /// How users fared with the targets, without those that nobody has tried.
    var targetHealth: [TargetHealth] {
        let secrets = log.secretTexts
        return (admission().plan.rotation.health + [farTarget.withLock { $0 }]).compactMap { health in
            guard !health.isUnknown else { return nil }
            var shown = health
            shown.error = health.error.map { secrets.masked(in: $0) }
            return shown
        }
    }

    /// Treats connections from now on by `spec`; those that exist are left alone.
    func apply(_ spec: TunnelSpec) {
        current.withLock { current in
            current.plan = ForwardingPlan(spec, following: current.plan)
            current.door = ServerDoor(spec)
        }
        log.follow(spec)
    }

    /// Starts a new group and returns those that held every connection so far.
    func retireGroups() -> [ConnectionGroup] {
        current.withLock { current in
            let retired = [current.group] + current.returned
            current.group = ConnectionGroup()
            current.returned = []
            return retired
        }
    }

    /// The connections of the present run, the oldest first; those that drain are not among them.
    func users(limit: Int) async -> UserConnections {
        let groups = current.withLock { [$0.group] + $0.returned }
        let members = groups.flatMap(\.members).sorted { $0.since < $1.since }
        var listed: [UserConnection] = []
        for member in members.prefix(limit) { listed.append(await member.shown()) }
        return UserConnections(total: members.count, listed: listed)
    }

    /// Counts these connections among those of the present run.
    func takeBack(_ groups: [ConnectionGroup]) {
        current.withLock { $0.returned += groups }
    }
}
