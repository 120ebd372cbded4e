package import Config
package import Tunnel

/// What the reconciler needs of the thing that runs tunnels: `TunnelEngine` in the daemon, a fake in tests.
///
/// Every call is idempotent and returns when the listeners are in their new state: bound, handed over or closed. A tunnel
/// that cannot run is not an error here: its status shows why, and the host itself retries what can be retried.
package protocol InstanceHost: Sendable {
    /// How people know the instance: messages about another tunnel name it so.
    func label(_ id: InstanceID, _ label: String)

    /// Every instance the host knows, stopped ones included.
    func snapshot() -> [InstanceID: TunnelStatus]

    /// One of them; nil for an instance the host does not know.
    func status(of id: InstanceID) -> TunnelStatus?

    /// Runs the instance with this spec, whether it is new, stopped, or running with another spec or generation.
    ///
    /// With the same generation the change is applied by class: live fields swap in place, a moved address is bound before
    /// the old one is let go. With a new generation everything is closed first (`stopped` is passed through).
    /// `releaseFirst`: the old address must be given up before the new one is bound (ports that are swapped).
    func run(_ id: InstanceID, spec: TunnelSpec, generation: Int, releaseFirst: Bool) async

    /// Closes the listeners at once; established connections may finish, up to the spec's drain limit.
    func stop(_ id: InstanceID) async

    /// As `stop`, then forgets the instance, and its peer. Connections that still drain go on without it.
    func remove(_ id: InstanceID) async

    /// Instances that were removed and whose connections may still finish. One that is run again under its id before
    /// has them back, and goes on counting where it was.
    func leaving() -> [InstanceID: TunnelStatus]

    /// The open connections of its users; nil for an instance the host does not know.
    func users(of id: InstanceID) async -> UserConnections?

    /// Has every host name looked up again before it is used next.
    func forgetNames()

    /// Forgets that the instance's peer has been sealed; the store has forgotten it already.
    func forgetPeer(of id: InstanceID)

    /// One element each time some instance's status moved on; carries no data and may be coalesced.
    var changes: AsyncStream<Void> { get }
}

extension TunnelEngine: InstanceHost {}
