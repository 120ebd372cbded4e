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
            .flatMap { client.agree(with: $0[...], on: loop) }
            .flatMap { [tunnel, spec] outcome in
                // Before anything is served: what is remembered must not be lost.
                guard outcome.agreement.keys.isSealed, spec.handshake == .auto else {
                    return loop.makeSucceededFuture(outcome)
                }
                return tunnel.rememberSealed(server: spec.tunnel.description).map { outcome }
            }
            .flatMap { outcome in
                // Reading every trusted authority takes a while, so it is done before the loop
                // needs it.
                guard outcome.agreement.terms.tls == 2 else { return loop.makeSucceededFuture(outcome) }
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
                    try self.begin(outcome.agreement, outcome.server, began)
                } catch {
                    // Its name may have moved.
                    self.tunnel.dialer.resolver.doubt(self.spec.tunnel)
                    self.report(.lost(error as? TunnelError ?? TunnelError(.internalError, "\(error)")))
                }
            }
    }

    private func handshakeClient(_ place: DescriptorPlace) -> HandshakeClient {
        let name = serverName
        let isWeb = spec.tunnel.port == 443
        return HandshakeClient(
            manner: manner,
            // What NodePass sends without a name.
            host: name ?? "none",
            tunnelKey: spec.effectiveKey,
            clientID: clientID,
            timeout: TimeAmount(tunnel.environment.handshakeTimeout),
            place: place,
            security: isWeb ? Self.security(trust, .web, name) : nil,
            sealing: Self.security(trust, .anyCertificate, nil)
        )
    }

    /// Which handshake the server has to take now.
    private var manner: HandshakeClient.Manner {
        switch spec.handshake {
        case .compatible: .plain
        case .sealed:
            .sealed(
                otherwise: TunnelError(
                    .peerDowngraded,
                    "the server offers the handshake of v1.14, and this end takes the sealed one only"
                )
            )
        case .auto:
            tunnel.isSealed(server: spec.tunnel.description)
                ? .sealed(otherwise: .downgraded("the server offers", tunnel.id)) : .either
        }
    }

    private static func security(
        _ trust: ClientTrust,
        _ policy: ClientTrust.Policy,
        _ name: String?
    ) -> @Sendable () throws -> NIOSSLClientHandler {
        { try trust.handler(policy, serverName: name) }
    }

    private func begin(
        _ agreement: SessionAgreement,
        _ server: SocketAddress,
        _ began: NIODeadline
    ) throws(TunnelError) {
        let terms = agreement.terms
        tunnel.log.write(
            .info,
            .terms,
            "Loading tunnel config: FLOW=\(terms.flow.rawValue)|MAX=\(terms.max)|TLS=\(terms.tls)|TYPE=\(terms.transport.codeText)"
        )
        if let least = spec.tls, least.code > terms.tls {
            throw TunnelError(
                .tlsDowngraded,
                "the server offers tls \(Self.words[terms.tls]), this client accepts no less than "
                    + "\(Self.words[least.code]); raise tls at the server, or lower it here"
            )
        }
        let session = Session(
            terms: terms,
            side: .client,
            peer: Endpoint(server).host,
            keys: agreement.keys,
            tunnel: tunnel,
            dialer: try dialer(agreement, server),
            began: began
        ) { event in
            self.sessionEvent(event, terms.flow)
        }
        self.session = session
        tunnel.entrance.session = session
        session.start()
    }

    /// By the number in the terms.
    private static let words = ["off", "self-signed", "verified"]

    private func dialer(
        _ agreement: SessionAgreement,
        _ server: SocketAddress
    ) throws(TunnelError) -> any LinkDialer {
        let terms = agreement.terms
        switch terms.transport {
        case .tcp: return streamDialer(agreement, server, linkSecurity(terms))
        case .websocket:
            // On port 443 some proxy or CDN speaks TLS for a server that does not.
            let isBehindProxy = terms.tls == 0 && spec.tunnel.port == 443
            let security = isBehindProxy ? Self.security(trust, .web, serverName) : linkSecurity(terms)
            return WebSocketLinkDialer(
                stream: streamDialer(agreement, server, security, isBehindProxy: isBehindProxy),
                host: serverName ?? spec.tunnel.host,
                path: "/",
                manner: WebSocketHandler.Manner(.client, terms),
                isBehindProxy: isBehindProxy
            )
        case .http2, .quic, .unknown:
            throw TunnelError(
                .notSupportedYet,
                "the server's links are of type \(terms.transport.codeText); this version speaks 0 (tcp) and 2 (websocket)",
                isTerminal: false
            )
        }
    }

    private var serverName: String? { ClientTrust.serverName(sni: spec.sni, host: spec.tunnel.host) }

    private func linkSecurity(_ terms: HandshakeTerms) -> (@Sendable () throws -> NIOSSLClientHandler)? {
        switch terms.tls {
        case 0: nil
        case 1: Self.security(trust, .anyCertificate, terms.transport == .websocket ? serverName : nil)
        default: Self.security(trust, .verified, serverName)
        }
    }

    private func streamDialer(
        _ agreement: SessionAgreement,
        _ server: SocketAddress,
        _ security: (@Sendable () throws -> NIOSSLClientHandler)?,
        isBehindProxy: Bool = false
    ) -> StreamLinkDialer {
        let fingerprint = isBehindProxy ? nil : agreement.keys.fingerprint
        return StreamLinkDialer(
            server: server,
            timeout: TimeAmount(tunnel.environment.tcpDialTimeout),
            keepAlive: { [tunnel] in tunnel.linkKeepAlive },
            readBufferMaxBytes: tunnel.environment.readBufferMaxBytes,
            descriptors: tunnel.descriptors,
            security: security,
            pin: fingerprint.map { StreamLinkDialer.Pin(fingerprint: $0, mayChange: agreement.terms.tls == 2) }
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
