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
    private var sessionsBegun = 0
    private var isConnecting = false
    /// The session's server does not answer: a new one is tried for beside it.
    private var isDoubted = false
    /// The attempt under way may have made the server begin a session.
    private var hasCommitted = false
    /// Not shown yet, of the last sealed session.
    private var tickets: [String] = []
    private var besideBackoff = Backoff(base: TunnelLimits.redialBase, cap: TunnelLimits.redialCap)
    private var transports = TransportMemory()
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
        guard session == nil else { return }
        attempt(isRepeated ? .debug : .info, "Pending tunnel handshake...", isRepeated: isRepeated)
    }

    /// Tries for a new session while the server of the present one does not answer; the first of both that
    /// answers is the one that goes on.
    private func connectBeside() {
        guard isDoubted, session != nil else { return }
        attempt(.debug, "The server does not answer; trying for a new session beside the present one")
    }

    private func attempt(_ level: LogLevel, _ line: String, isRepeated: Bool = false) {
        guard !isStopped, !isConnecting else { return }
        guard let place = tunnel.descriptors.place(for: .tunnel) else {
            return failed(.noDescriptor(for: "the connection to the server"))
        }
        isConnecting = true
        hasCommitted = false
        tunnel.log.write(level, .attempt, line)
        let began = NIODeadline.now()
        let loop = tunnel.home
        let client = handshakeClient(place, isRepeated)
        let (trust, log) = (trust, tunnel.log)
        let known =
            isBehindWeb
            ? Self.readAuthorities(trust, .web, log, on: loop) : loop.makeSucceededVoidFuture()
        let route = route
        known
            .flatMap { [tunnel, spec] in
                tunnel.dialer.resolver.resolve(route.first, ttl: spec.dnsTTL, on: loop)
            }
            .flatMap { client.agree(with: $0[...], on: loop) }
            .flatMap { [tunnel, spec] outcome in
                // Before anything is served: what is remembered must not be lost.
                guard outcome.agreement.keys.isSealed, spec.handshake == .auto else {
                    return loop.makeSucceededFuture(outcome)
                }
                return tunnel.rememberSealed(server: spec.tunnel.description).map { outcome }
            }
            .flatMap { outcome in
                let terms = outcome.agreement.terms
                guard terms.tls == 2 else { return loop.makeSucceededFuture(outcome) }
                return Self.readAuthorities(
                    trust,
                    .verified,
                    alpn: Self.alpn(terms),
                    isForQUIC: terms.transport == .quic,
                    log,
                    on: loop
                ).map { outcome }
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
                    self.tunnel.dialer.resolver.doubt(self.route.first)
                    self.failed(error as? TunnelError ?? TunnelError(.internalError, ErrorText.words(for: error)))
                }
            }
    }

    /// The server is reached by HTTPS.
    private var isBehindWeb: Bool { spec.tunnel.port == 443 }

    /// Reads the trusted authorities where they are new or have changed, which takes a while: before the
    /// loop needs them.
    private static func readAuthorities(
        _ trust: ClientTrust,
        _ policy: ClientTrust.Policy,
        alpn: String? = nil,
        isForQUIC: Bool = false,
        _ log: TunnelLog,
        on loop: any EventLoop
    ) -> EventLoopFuture<Void> {
        NIOThreadPool.singleton.runIfActive(eventLoop: loop) {
            do {
                try trust.refresh(policy, alpn: alpn, isForQUIC: isForQUIC)
            } catch {
                guard trust.hasContext(policy, alpn: alpn, isForQUIC: isForQUIC) else { throw error }
                log.write(
                    .error,
                    .verification,
                    "Authorities not read, the former ones stay: \(ErrorText.words(for: error))"
                )
            }
        }
    }

    private func failed(_ error: TunnelError) {
        guard let session else { return report(.lost(error)) }
        // A server that says no can be reached, and the session is not what it goes on with.
        guard !Self.refusals.contains(error.reason) else { return session.end(error) }
        guard isDoubted else { return }
        var random = SystemRandomNumberGenerator()
        let delay = besideBackoff.next(using: &random)
        tunnel.home.assumeIsolated().scheduleTask(in: TimeAmount(delay)) { self.connectBeside() }
    }

    private static let refusals: Set<TunnelReason> = [
        .standby, .authFailed, .peerDowngraded, .tlsDowngraded, .serviceUnknown, .notSupportedYet,
    ]

    /// Whether the attempt under way is still wanted, asked before the server begins a session for it.
    private func commit() -> Bool {
        guard !isStopped, session == nil || isDoubted else { return false }
        hasCommitted = true
        return true
    }

    private func handshakeClient(_ place: DescriptorPlace, _ isRepeated: Bool) -> HandshakeClient {
        let bound = NIOLoopBound(self, eventLoop: tunnel.home)
        let name = serverName
        return HandshakeClient(
            manner: manner,
            route: route,
            // What NodePass sends without a name.
            host: spec.host ?? name ?? "none",
            path: spec.path ?? "/",
            service: spec.service,
            tunnelKey: spec.effectiveKey,
            clientID: clientID,
            timeout: TimeAmount(tunnel.environment.handshakeTimeout),
            place: place,
            security: isBehindWeb ? Self.security(trust, .web, name) : nil,
            areHeadsUnbound: isBehindWeb || spec.path != nil || spec.host != nil,
            sealing: Self.security(trust, .anyCertificate, nil),
            secondPlace: { [tunnel] in tunnel.descriptors.place(for: .tunnel) },
            // The first question is answered at once: whether another client has the tunnel.
            unreachable: unreachable,
            wait: isRepeated ? tunnel.environment.handshakeTimeout * TunnelLimits.standbyHoldShare : .zero,
            ticket: { bound.value.tickets.popLast() },
            commit: { bound.value.commit() }
        )
    }

    /// Kinds of links that do not reach this client, or that it does not have.
    private var unreachable: Set<PoolTransport> {
        let lacksQUIC = spec.via != nil || !QUICLink.isBuilt
        return transports.unreachable(now: .now()).union(lacksQUIC ? [.quic] : [])
    }

    /// Has the server choose another kind of links where it offers one and none of this kind has come.
    private func noteTransport(of ended: Session?) {
        guard let ended, !ended.hasControlLink, ended.terms.offers.count > 1 else { return }
        let transport = ended.terms.transport
        transports.failed(transport, of: ended.terms.offers, now: .now())
        let seconds = TimeAmount(TunnelLimits.unreachableTransport).nanoseconds / 1_000_000_000
        tunnel.log.write(
            .warn,
            .transport,
            "No link over \(transport.name) to the server; another kind is used for the next \(seconds) s"
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
        _ name: String?,
        _ alpn: String? = nil
    ) -> @Sendable () throws -> NIOSSLClientHandler {
        { try trust.handler(policy, serverName: name, alpn: alpn) }
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
        if terms.transport == .http2, terms.flow == .forward, terms.extensions.isEmpty {
            tunnel.log.write(
                .warn,
                "A NodePass server does not end a stream of HTTP/2: where a target closes, its user's connection "
                    + "stays until the user closes it or timeouts.read (\(GoDuration.text(spec.readTimeout))) is over"
            )
        }
        let pin = agreement.keys.fingerprint.map {
            CertificatePin(
                $0,
                mayChange: terms.tls == 2,
                isNamed: terms.extensions.contains(.certificate),
                loop: tunnel.home
            )
        }
        let dialer = try dialer(agreement, server, pin)
        sessionsBegun += 1
        let number = sessionsBegun
        let session = Session(
            terms: terms,
            side: .client,
            peer: Endpoint(server).host,
            keys: agreement.keys,
            tunnel: tunnel,
            dialer: dialer,
            pin: pin,
            began: began
        ) { event in
            self.sessionEvent(event, of: number, terms.flow)
        }
        let former = self.session
        isDoubted = false
        tickets = agreement.keys.tickets
        self.session = session
        tunnel.entrance.session = session
        former?.end(TunnelError(.peerUnreachable, "a new session takes its place"))
        session.start()
    }

    /// By the number in the terms.
    private static let words = ["off", "self-signed", "verified"]

    private func dialer(
        _ agreement: SessionAgreement,
        _ server: SocketAddress,
        _ pin: CertificatePin?
    ) throws(TunnelError) -> any LinkDialer {
        let terms = agreement.terms
        switch terms.transport {
        case .tcp: return streamDialer(server, linkSecurity(terms), pin)
        case .websocket:
            // On port 443 some proxy or CDN speaks TLS for a server that does not.
            let isBehindProxy = terms.tls == 0 && spec.tunnel.port == 443
            let security = isBehindProxy ? Self.security(trust, .web, serverName) : linkSecurity(terms)
            return WebSocketLinkDialer(
                stream: streamDialer(server, security, isBehindProxy ? nil : pin),
                host: spec.host ?? serverName ?? spec.tunnel.host,
                path: spec.path ?? "/",
                manner: WebSocketHandler.Manner(.client, terms),
                isBehindProxy: isBehindProxy
            )
        case .http2:
            return HTTP2LinkDialer(
                stream: streamDialer(server, linkSecurity(terms), pin),
                authority: spec.host ?? serverName ?? "none",
                pingInterval: TimeAmount(tunnel.environment.reportInterval),
                isLimitedToOne: terms.extensions.isEmpty
            )
        case .quic: return try quicDialer(terms, server, pin)
        case .unknown:
            throw TunnelError(
                .notSupportedYet,
                "the server's links are of type \(terms.transport.codeText); "
                    + "this version speaks 0 (tcp), 1 (quic), 2 (websocket) and 3 (http2)",
                isTerminal: false
            )
        }
    }

    private func quicDialer(
        _ terms: HandshakeTerms,
        _ server: SocketAddress,
        _ pin: CertificatePin?
    ) throws(TunnelError) -> any LinkDialer {
        guard spec.via == nil else {
            throw TunnelError(
                .notSupportedYet,
                "the server's links are QUIC's, which a proxy (via) does not pass; use websocket or http2 at the server",
                isTerminal: false
            )
        }
        #if QUIC
        let isVerified = terms.tls == 2
        let name = serverName ?? Endpoint(server).host
        return QUICLinkDialer(
            QUICLinkDialer.Terms(
                server: server,
                timeout: TimeAmount(tunnel.environment.tcpDialTimeout),
                isOwn: !terms.extensions.isEmpty,
                trust: QUICTrust(
                    credentials: try trust.quicCredentials(isVerified ? .verified : .anyCertificate),
                    name: isVerified ? name : nil,
                    sendsName: isVerified
                ),
                pin: pin,
                name: name
            ),
            tunnel.environment,
            descriptors: tunnel.descriptors
        )
        #else
        throw TunnelError(.notSupportedYet, QUICLink.missing, isTerminal: false)
        #endif
    }

    private var route: ServerRoute { ServerRoute(server: spec.tunnel, proxy: spec.via) }

    private var serverName: String? { ClientTrust.serverName(sni: spec.sni, host: spec.tunnel.host) }

    private func linkSecurity(_ terms: HandshakeTerms) -> (@Sendable () throws -> NIOSSLClientHandler)? {
        switch terms.tls {
        case 0: nil
        case 1:
            Self.security(trust, .anyCertificate, terms.transport == .websocket ? serverName : nil, Self.alpn(terms))
        default: Self.security(trust, .verified, serverName, Self.alpn(terms))
        }
    }

    private static func alpn(_ terms: HandshakeTerms) -> String? {
        terms.transport == .http2 ? HTTP2Link.alpn : nil
    }

    /// `pin` is nil where a proxy shows a certificate of its own.
    private func streamDialer(
        _ server: SocketAddress,
        _ security: (@Sendable () throws -> NIOSSLClientHandler)?,
        _ pin: CertificatePin?
    ) -> StreamLinkDialer {
        StreamLinkDialer(
            address: server,
            route: route,
            timeout: TimeAmount(tunnel.environment.tcpDialTimeout),
            keepAlive: { [tunnel] in tunnel.linkKeepAlive },
            readBufferMaxBytes: tunnel.environment.readBufferMaxBytes,
            descriptors: tunnel.descriptors,
            security: security,
            name: serverName,
            pin: pin
        )
    }

    /// Events of a session that another has replaced say nothing any more.
    private func sessionEvent(_ event: Session.Event, of number: Int, _ flow: TunnelFlow) {
        guard number == sessionsBegun else { return }
        switch event {
        case .established:
            besideBackoff.reset()
            report(.established(flow))
        case .doubted:
            isDoubted = true
            connectBeside()
        case .trusted:
            isDoubted = false
            besideBackoff.reset()
        case .ended(let error):
            if !isStopped { noteTransport(of: session) }
            session = nil
            tunnel.entrance.session = nil
            isDoubted = false
            // The server may have ended it for the attempt under way, which reports what comes of it.
            guard !isStopped, !(isConnecting && hasCommitted) else { return }
            report(.lost(error))
        case .strayBytes: break
        }
    }
}
