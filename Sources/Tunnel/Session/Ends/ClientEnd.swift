import Config
import NIOCore
import NIOPosix
import NIOSSL

/// The client's end: one attempt at a time to reach the server, and the session that comes of it.
///
/// Lives on the tunnel's loop; when to try again is its tunnel's business.
final class ClientEnd {
    private let spec: TunnelSpec
    private let tunnel: TunnelContext
    private let trust: ClientTrust
    private let report: (EndReport) -> Void
    private let token: HandshakeToken
    /// By this the server knows that it is the same client that comes back.
    private let clientID: String
    private var session: Session?
    private var isConnecting = false
    private var isStopped = false

    init(
        spec: TunnelSpec,
        trust: ClientTrust,
        tunnel: TunnelContext,
        report: @escaping (EndReport) -> Void
    ) {
        self.spec = spec
        self.trust = trust
        self.tunnel = tunnel
        self.report = report
        token = HandshakeToken(tunnelKey: spec.effectiveKey)
        clientID = Hex.text(SessionSecret.makeNonce())
    }

    func stop() {
        isStopped = true
        session?.end(TunnelError(.peerUnreachable, "stopped"))
    }

    /// Tries once; the outcome is reported, also when a session that came of it ends later.
    ///
    /// `isRepeated` says that the last attempt ended the same way, so that this one is not logged.
    func connect(isRepeated: Bool = false) {
        guard !isStopped, !isConnecting, session == nil else { return }
        guard let place = tunnel.descriptors.place(for: .tunnel) else {
            return report(.lost(.noDescriptor(for: "the connection to the server")))
        }
        isConnecting = true
        tunnel.log.write(isRepeated ? .debug : .info, .attempt, "Pending tunnel handshake...")
        let began = NIODeadline.now()
        let loop = tunnel.home
        let client = handshakeClient(place)
        let trust = trust
        tunnel.dialer.resolver.resolve(spec.tunnel, ttl: spec.dnsTTL, on: loop)
            .flatMap { client.terms(from: $0[...], on: loop) }
            .flatMap { outcome in
                // Reading every trusted authority takes a while, so it is done before the loop
                // needs it.
                guard outcome.terms.tls == 2 else { return loop.makeSucceededFuture(outcome) }
                return NIOThreadPool.singleton.runIfActive(eventLoop: loop) {
                    _ = try trust.context(.verified)
                    return outcome
                }
            }
            .assumeIsolated()
            .whenComplete { result in
                self.isConnecting = false
                guard !self.isStopped else { return }
                do {
                    let outcome = try result.get()
                    try self.begin(outcome.terms, outcome.server, began)
                } catch {
                    // Its name may have moved.
                    self.tunnel.dialer.resolver.doubt(self.spec.tunnel)
                    self.report(.lost(error as? TunnelError ?? TunnelError(.internalError, "\(error)")))
                }
            }
    }

    private func handshakeClient(_ place: DescriptorPlace) -> HandshakeClient {
        let name = ClientTrust.serverName(sni: spec.sni, host: spec.tunnel.host)
        let isWeb = spec.tunnel.port == 443
        return HandshakeClient(
            // What NodePass sends without a name.
            host: name ?? "none",
            token: token,
            clientID: clientID,
            timeout: TimeAmount(tunnel.environment.handshakeTimeout),
            place: place,
            security: isWeb ? Self.security(trust, .web, name) : nil
        )
    }

    private static func security(
        _ trust: ClientTrust,
        _ policy: ClientTrust.Policy,
        _ name: String?
    ) -> @Sendable () throws -> NIOSSLClientHandler {
        { try trust.handler(policy, serverName: name) }
    }

    private func begin(_ terms: HandshakeTerms, _ server: SocketAddress, _ began: NIODeadline) throws(TunnelError) {
        tunnel.log.write(
            .info,
            .terms,
            "Loading tunnel config: FLOW=\(terms.flow.rawValue)|MAX=\(terms.max)|TLS=\(terms.tls)|TYPE=\(terms.transport.codeText)"
        )
        // NodePass ignores a client's own `tls`, and there are URLs with any value of it: so a
        // difference is logged, not refused.
        if let wanted = spec.tls, wanted.code > terms.tls {
            tunnel.log.write(
                .warn,
                .weakerTLS,
                "The server offers tls=\(terms.tls) only, this client's URL says \(wanted.code)"
            )
        }
        let session = Session(
            terms: terms,
            side: .client,
            peer: Endpoint(server).host,
            tunnelKey: spec.effectiveKey,
            tunnel: tunnel,
            dialer: try dialer(terms, server),
            began: began
        ) { event in
            self.sessionEvent(event, terms.flow)
        }
        self.session = session
        tunnel.entrance.session = session
        session.start()
    }

    private func dialer(_ terms: HandshakeTerms, _ server: SocketAddress) throws(TunnelError) -> any LinkDialer {
        guard terms.transport == .tcp else {
            throw TunnelError(
                .notSupportedYet,
                "the server's links are of type \(terms.transport.codeText); this version speaks 0 (tcp)",
                isTerminal: false
            )
        }
        let name = ClientTrust.serverName(sni: spec.sni, host: spec.tunnel.host)
        let security: (@Sendable () throws -> NIOSSLClientHandler)? =
            switch terms.tls {
            case 0: nil
            case 1: Self.security(trust, .anyCertificate, nil)
            default: Self.security(trust, .verified, name)
            }
        return StreamLinkDialer(
            server: server,
            timeout: TimeAmount(tunnel.environment.tcpDialTimeout),
            keepAlive: { [tunnel] in tunnel.linkKeepAlive },
            readBufferMaxBytes: tunnel.environment.readBufferMaxBytes,
            descriptors: tunnel.descriptors,
            security: security
        )
    }

    private func sessionEvent(_ event: Session.Event, _ flow: TunnelFlow) {
        switch event {
        case .established: report(.established(flow))
        case .ended(let error):
            session = nil
            tunnel.entrance.session = nil
            if !isStopped { report(.lost(error)) }
        case .strayBytes: break
        }
    }
}
