package import Config
import FoundationEssentials
package import NIOCore
import NIOPosix
import Synchronization

/// Runs every tunnel of the process on one event-loop group: a task for a tunnel that has something
/// to do, event loops for its bytes.
///
/// Map of the module: `TunnelInstance` is one tunnel's life, `Listener` its sockets,
/// `TunnelContext` what its connections share. A byte goes `UserListener` → `RelayedUser` →
/// `ReactorCore` where the kernel may move it, else `Listener` → `TCPAcceptHandler` →
/// `TargetDialer` → `TCPRelay`, or through `DatagramRelay`; nothing on that way awaits or hops. `ForwardingPlan` is the part of a spec that can change under a running tunnel.
package final class TunnelEngine: Sendable {
    /// What every instance is built from.
    struct Parts: Sendable {
        let group: any EventLoopGroup
        let dialer: TargetDialer
        let descriptors: DescriptorBudget
        let trust: ClientTrust
        let unproven: UnprovenRoom
        let datagramRoom: DatagramRoom
        let reactors: ReactorGroup
        let board: ListenBoard
        let ports: TunnelPorts
        let peers: PeerMemory
        let changed: AsyncStream<Void>.Continuation
        let logSink: AsyncStream<TunnelLogLine>.Continuation
        /// Takes instances that have commands waiting and no task.
        let wakeUps: AsyncStream<TunnelInstance>.Continuation
    }

    /// One element each time some status moved on; carries nothing and is coalesced.
    package let changes: AsyncStream<Void>
    /// Lines of all tunnels' logs, for one reader; the oldest are dropped when it does not keep up.
    package let logLines: AsyncStream<TunnelLogLine>
    let parts: Parts
    private let callers: AsyncStream<TunnelInstance>
    private let state = Mutex(State())

    private struct State {
        var instances: [InstanceID: TunnelInstance] = [:]
        /// Those that were removed and whose connections may still finish, the newest of each id.
        var leaving: [InstanceID: TunnelInstance] = [:]
        /// Instances whose life is not over, those that drain after their removal included.
        var living = 0
        /// Instances made so far.
        var made = 0
        var isClosing = false
    }

    /// `peers` is what is known of other ends from former lives of the process.
    package convenience init(
        group: any EventLoopGroup,
        environment: TunnelEnvironment,
        descriptors: DescriptorBudget,
        peers: PeerMemory = PeerMemory()
    ) {
        self.init(
            group: group,
            environment: environment,
            descriptors: descriptors,
            peers: peers,
            resolver: TargetResolver()
        )
    }

    init(
        group: any EventLoopGroup,
        environment: TunnelEnvironment,
        descriptors: DescriptorBudget,
        peers: PeerMemory = PeerMemory(),
        resolver: TargetResolver
    ) {
        let changed: AsyncStream<Void>.Continuation
        (changes, changed) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let logSink: AsyncStream<TunnelLogLine>.Continuation
        (logLines, logSink) = AsyncStream.makeStream(
            of: TunnelLogLine.self,
            bufferingPolicy: .bufferingNewest(TunnelLimits.logLineBacklog)
        )
        let wakeUps: AsyncStream<TunnelInstance>.Continuation
        (callers, wakeUps) = AsyncStream.makeStream(of: TunnelInstance.self)
        let dialer = TargetDialer(resolver: resolver, environment: environment)
        let board = ListenBoard()
        parts = Parts(
            group: group,
            dialer: dialer,
            descriptors: descriptors,
            trust: ClientTrust(authorities: environment.certificateAuthorities),
            unproven: UnprovenRoom(),
            datagramRoom: DatagramRoom(),
            reactors: ReactorGroup(isWanted: environment.hasReactors, pipes: descriptors.plan.pipes),
            board: board,
            ports: TunnelPorts(board: board),
            peers: peers,
            changed: changed,
            logSink: logSink,
            wakeUps: wakeUps
        )
    }

    /// Owns the tasks of all tunnels; returns after `shutdown()`, when the last connection has
    /// drained or been cut.
    package func run() async {
        await withDiscardingTaskGroup { tasks in
            for await instance in callers {
                tasks.addTask {
                    guard await instance.handleCommands() else { return }
                    self.ended(instance)
                    self.finishIfDone()
                }
            }
        }
        parts.changed.finish()
        parts.logSink.finish()
    }

    /// Stops accepting everywhere and lets established connections finish, each up to its tunnel's
    /// drain limit, and none longer than `limit`.
    package func shutdown(within limit: Duration? = nil) async {
        let (instances, leaving) = state.withLock { state in
            state.isClosing = true
            return (Array(state.instances.values), Array(state.leaving.values))
        }
        finishIfDone()
        await withDiscardingTaskGroup { tasks in
            for instance in instances {
                tasks.addTask { await instance.leave() }
            }
        }
        guard let limit else { return }
        for instance in instances + leaving { instance.hurry(limit) }
    }

    /// How long a shutdown takes at most if every connection uses the time that its tunnel gives it.
    package var longestDrain: Duration {
        let (running, left) = state.withLock { ($0.instances, $0.leaving) }
        let drains = running.values.map(\.status.spec.drain)
        let rests = (Array(running.values) + Array(left.values)).compactMap(\.status.drainDeadline).map { deadline in
            Duration.seconds(max(0, deadline.timeIntervalSinceNow))
        }
        return (drains + rests).max() ?? .zero
    }

    /// Addresses of this machine have come or gone: tunnels that wait for one, or for a name that
    /// could not be resolved, try again now.
    package func addressesChanged() {
        parts.dialer.resolver.forgetFailures()
        for instance in state.withLock({ Array($0.instances.values) }) { instance.addressesChanged() }
    }

    /// How people know the tunnel, for messages of others; kept until it is removed.
    package func label(_ id: InstanceID, _ label: String) {
        parts.board.label(id, label)
    }

    package func snapshot() -> [InstanceID: TunnelStatus] {
        state.withLock { $0.instances }.mapValues(\.status)
    }

    package func status(of id: InstanceID) -> TunnelStatus? {
        state.withLock { $0.instances[id] }?.status
    }

    /// The open connections of a tunnel's users; nil for an instance that is not known.
    package func users(of id: InstanceID) async -> UserConnections? {
        await state.withLock { $0.instances[id] }?.tunnel.users(limit: UserConnection.listLimit)
    }

    /// Tunnels that were removed, for as long as connections of theirs may finish.
    package func leaving() -> [InstanceID: TunnelStatus] {
        state.withLock { $0.leaving }.mapValues(\.status).filter { $0.value.drainingConnections > 0 }
    }

    /// See `InstanceHost.run`: whether it is a start, a change or a restart depends on the
    /// instance.
    package func run(_ id: InstanceID, spec: TunnelSpec, generation: Int, releaseFirst: Bool) async {
        await moveIfNeeded(id, spec)
        if let former = takeLeaving(id, spec) {
            if await former.comeBack(spec, generation: generation, releaseFirst: releaseFirst) { return }
            state.withLock { state in
                if state.instances[id] === former { state.instances[id] = nil }
            }
        }
        guard let instance = instance(id, spec: spec, generation: generation) else { return }
        await instance.run(spec, generation: generation, releaseFirst: releaseFirst)
    }

    package func stop(_ id: InstanceID) async {
        await state.withLock { $0.instances[id] }?.stop()
    }

    package func remove(_ id: InstanceID) async {
        let removed = state.withLock { state in
            let removed = state.instances.removeValue(forKey: id)
            if let removed { state.leaving[id] = removed }
            return removed
        }
        await removed?.leave()
        forgetPeer(of: id)
        parts.board.forget(id)
    }

    /// Accepts an unsealed peer of this instance again, where its `handshake` is `auto`.
    package func forgetPeer(of id: InstanceID) {
        parts.peers.forget(id)
    }

    /// The tunnel that leaves under this id, which is to come back.
    private func takeLeaving(_ id: InstanceID, _ spec: TunnelSpec) -> TunnelInstance? {
        let home = parts.ports.home(of: spec)
        return state.withLock { state in
            guard !state.isClosing, state.instances[id] == nil, let former = state.leaving[id],
                home == nil || home === former.tunnel.home
            else { return nil }
            state.leaving[id] = nil
            state.instances[id] = former
            return former
        }
    }

    /// Lets a tunnel go that is to listen at a port whose servers live on another loop; a new instance follows it.
    private func moveIfNeeded(_ id: InstanceID, _ spec: TunnelSpec) async {
        guard let home = parts.ports.home(of: spec) else { return }
        let former = state.withLock { state -> TunnelInstance? in
            guard let known = state.instances[id], known.tunnel.home !== home else { return nil }
            state.instances[id] = nil
            state.leaving[id] = known
            return known
        }
        await former?.leave()
    }

    /// The loop of a new tunnel: that of the port it is to share, or one that others for this port get too.
    private func home(for spec: TunnelSpec) -> any EventLoop {
        if let home = parts.ports.home(of: spec) { return home }
        guard spec.role == .server, spec.tunnel.port != 0 else { return parts.group.next() }
        let loops = Array(parts.group.makeIterator())
        return loops[Int(spec.tunnel.port) % loops.count]
    }

    private func ended(_ instance: TunnelInstance) {
        let hasLeft = state.withLock { state in
            state.living -= 1
            let id = instance.tunnel.id
            guard state.leaving[id] === instance else { return false }
            state.leaving[id] = nil
            return true
        }
        // What was kept for its return is not needed any longer.
        if hasLeft { parts.changed.yield() }
    }

    /// Has every name looked up again before it is used next.
    package func forgetNames() {
        parts.dialer.resolver.forget()
    }

    /// Connects by the way that users' connections go.
    package var probe: TargetProbe { TargetProbe(dialer: parts.dialer, group: parts.group) }

    private func instance(_ id: InstanceID, spec: TunnelSpec, generation: Int) -> TunnelInstance? {
        let home = home(for: spec)
        return state.withLock { state in
            if let known = state.instances[id] { return known }
            guard !state.isClosing else { return nil }
            state.made += 1
            let new = TunnelInstance(
                id: id,
                spec: spec,
                generation: generation,
                incarnation: state.made,
                home: home,
                engine: parts
            )
            state.instances[id] = new
            state.living += 1
            return new
        }
    }

    /// Ends `run()` when nothing can come any more.
    private func finishIfDone() {
        if state.withLock({ $0.isClosing && $0.living == 0 }) { parts.wakeUps.finish() }
    }
}
