import Config
import NIOCore

/// The two-ended part of a tunnel, as its task holds it.
struct TunnelEnd: Sendable {
    enum Side: Sendable {
        case server(NIOLoopBound<ServerEnd>)
        case client(NIOLoopBound<ClientEnd>)
    }

    /// Tells reports of this end from those of one that was replaced.
    let number: Int
    let identity: SessionIdentity
    let side: Side
    /// Which way users come; a client learns it from its server.
    var flow: TunnelFlow?
}
