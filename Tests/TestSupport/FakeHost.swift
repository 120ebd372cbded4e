package import Config
import Reconciler
import Synchronization
package import Tunnel

/// A host without sockets: it behaves as `TunnelEngine` does, and notes when a plan breaks a promise.
package final class FakeHost: InstanceHost {
    package enum Call: Sendable, Hashable {
        case run(InstanceID, generation: Int, releaseFirst: Bool)
        case stop(InstanceID)
        case remove(InstanceID)
        case forgetPeer(InstanceID)
    }

    private let state = Mutex(FakeWorld())
    package let changes: AsyncStream<Void>
    private let change: AsyncStream<Void>.Continuation

    package init() {
        (changes, change) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    package var calls: [Call] { state.withLock { $0.calls } }
    /// Binds of an address that another instance (or the instance itself) still held, since `forget`.
    package var violations: [String] { state.withLock { $0.violations } }
    /// Instances that took an address again which they had given up since `forget`, other than by a restart.
    package var interruptions: Set<InstanceID> { state.withLock { $0.interruptions } }

    /// Begins anew with what is noted; the instances stay as they are.
    package func forget() {
        state.withLock { $0.forget() }
    }

    /// Shows the instance in this phase, until it is run again.
    package func show(_ id: InstanceID, _ phase: TunnelPhase, _ reason: TunnelReason? = nil) {
        edit { state in
            state.entries[id]?.step(phase, reason)
            if phase == .failed { state.entries[id]?.held = [:] }
        }
    }

    package func count(_ traffic: Traffic, for id: InstanceID) {
        state.withLock { state in
            guard let before = state.entries[id]?.status.traffic else { return }
            state.entries[id]?.status.traffic = before + traffic
        }
    }

    /// Shows this many connections of users, until told otherwise.
    package func hold(_ connections: Int, for id: InstanceID) {
        state.withLock { $0.entries[id]?.status.tcpConnections = connections }
    }

    // MARK: The world around it

    /// Somebody who is no instance has this address.
    package func occupy(_ address: ListenAddress) {
        state.withLock { _ = $0.occupied.insert(address) }
    }

    /// That address is free again; whoever waits for it has it at once.
    package func vacate(_ address: ListenAddress) {
        edit { state in
            state.occupied.remove(address)
            state.retry()
        }
    }

    /// Files have changed: whoever failed for them looks again.
    package func filesChanged() {
        edit { $0.retry() }
    }

    /// A server elsewhere that clients meet; users come in at the client where it dials (`isForward`).
    package func serve(_ endpoint: Endpoint, isForward: Bool) {
        state.withLock { $0.servers[endpoint] = isForward }
    }

    /// Who listens at a port now: each bind is another socket.
    package func sockets(at port: UInt16) -> Set<Int> {
        state.withLock { state in
            let held = state.entries.values.flatMap(\.held)
            return Set(held.filter { $0.key.endpoint.port == port }.map(\.value))
        }
    }

    private func edit(_ body: (inout FakeWorld) -> Void) {
        state.withLock { body(&$0) }
        change.yield()
    }

    // MARK: InstanceHost

    /// Its messages name no other tunnel.
    package func label(_ id: InstanceID, _ label: String) {}

    package func snapshot() -> [InstanceID: TunnelStatus] {
        state.withLock { $0.entries.mapValues(\.shown) }
    }

    package func status(of id: InstanceID) -> TunnelStatus? {
        state.withLock { $0.entries[id]?.shown }
    }

    package func run(_ id: InstanceID, spec: TunnelSpec, generation: Int, releaseFirst: Bool) async {
        edit { state in
            state.calls.append(.run(id, generation: generation, releaseFirst: releaseFirst))
            state.run(id, spec: spec, generation: generation, releaseFirst: releaseFirst)
        }
    }

    package func stop(_ id: InstanceID) async {
        edit { state in
            state.calls.append(.stop(id))
            state.stop(id)
        }
    }

    /// It has no names.
    package func forgetNames() {}

    package func users(of id: InstanceID) async -> UserConnections? {
        state.withLock { $0.entries[id] == nil ? nil : UserConnections() }
    }
    /// Its connections end with their instance.
    package func leaving() -> [InstanceID: TunnelStatus] { [:] }

    package func remove(_ id: InstanceID) async {
        edit { state in
            state.calls.append(.remove(id))
            state.entries[id] = nil
        }
    }

    package func forgetPeer(of id: InstanceID) {
        edit { $0.calls.append(.forgetPeer(id)) }
    }
}
