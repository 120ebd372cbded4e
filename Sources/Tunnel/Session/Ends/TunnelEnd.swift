import Config
import NIOCore

/// The end that a two-ended tunnel has now, as its task holds it.
struct TunnelEnd: Sendable {
    enum Side: Sendable {
        case server(NIOLoopBound<ServerEnd>)
        case client(NIOLoopBound<ClientEnd>)
    }

    private let side: Side
    private let expiryReminder: RepeatedTask?
    private let home: any EventLoop

    init(_ side: Side, expiryReminder: RepeatedTask?, home: any EventLoop) {
        self.side = side
        self.expiryReminder = expiryReminder
        self.home = home
    }

    /// Has a client's end try to reach its server once.
    func connect(isRepeated: Bool) async {
        guard case .client(let client) = side else { return }
        await onHome { client.value.connect(isRepeated: isRepeated) }
    }

    /// Ends the session; what it relays may finish.
    func stop() async {
        expiryReminder?.cancel()
        await onHome {
            switch side {
            case .server(let server): server.value.stop()
            case .client(let client): client.value.stop()
            }
        }
    }

    private func onHome(_ work: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { done in
            home.execute {
                work()
                done.resume()
            }
        }
    }
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
        // Users come in at the first target of a server that listens; that one moved is a new
        // decision for `auto`.
        listening = spec.mode == .auto ? spec.targets.first : nil
        mode = spec.mode
        tls = spec.tls
        transport = spec.transport
        sni = spec.sni
        protocols = spec.protocols
    }
}
