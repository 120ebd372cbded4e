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

/// The part of a spec that a session is made for: when it changes, a new session takes over.
struct SessionIdentity: Sendable, Hashable {
    private let role: TunnelRole
    private let key: String
    private let tunnel: Endpoint
    private let listening: Endpoint?
    private let mode: TunnelMode
    private let tls: TLSMode?
    private let transport: PoolTransport
    private let sni: String?
    private let protocols: Set<TransportProtocol>

    init(_ spec: TunnelSpec) {
        role = spec.role
        key = spec.effectiveKey
        tunnel = spec.tunnel
        // Users come in at the first target of a server that listens; that one moved is a new decision for `auto`.
        listening = spec.mode == .auto ? spec.targets.first : nil
        mode = spec.mode
        tls = spec.tls
        transport = spec.transport
        sni = spec.sni
        protocols = spec.protocols
    }
}
