import Config
import FoundationEssentials
import NIOCore

/// The server's end: judges handshakes on the tunnel's port and feeds links to the session, one
/// client at a time.
///
/// Lives on the tunnel's loop. The port stays open through it all: which of a handshake and a link
/// a connection is, its first byte says, or, where the client says nothing first, a short silence.
final class ServerEnd {
    private let acceptors: LinkAcceptors
    let tunnelKey: String
    /// Where it takes handshakes.
    let place: HandshakePlace
    /// Which of the servers at its port it is.
    let service: String?
    private let tunnel: TunnelContext
    /// Nil for links without TLS.
    private let credentials: ServerCredentials?
    /// Called when certificate files have changed.
    private let onReload: @Sendable (ServerCredentials.ReloadOutcome) -> Void
    private let flow: TunnelFlow
    private let tlsCode: Int
    private let transports: [PoolTransport]
    private let report: (EndReport) -> Void
    private var judge: HandshakeJudge
    private let policy: HandshakePolicy
    private var seat = ServerSeat()
    private var current: (number: Int, session: Session)?
    /// Requests whose answer waits for the seat, by the contender's number.
    private var contenders: [Int: Contender] = [:]
    private var contendersSeen = 0
    /// What has been reported of clients that were turned away since the last session.
    private var reported: Set<TunnelReason> = []
    private var isStopped = false

    /// A client that has proven the key.
    private struct Contender {
        let clientID: String?
        let extensions: Set<SessionExtension>
        let keys: SessionKeys
        let nonce: [UInt8]
        let address: String
        /// Kinds of links that do not reach it; nil for a client that cannot say.
        var unreachable: Set<PoolTransport>?
        /// How long it waits while another client has the tunnel.
        var wait = Duration.zero
        let reply: (HandshakeAnswer) -> Void
    }

    init(
        spec: TunnelSpec,
        flow: TunnelFlow,
        credentials: ServerCredentials?,
        acceptors: LinkAcceptors,
        onReload: @escaping @Sendable (ServerCredentials.ReloadOutcome) -> Void,
        tunnel: TunnelContext,
        report: @escaping (EndReport) -> Void
    ) {
        self.tunnel = tunnel
        self.flow = flow
        self.report = report
        self.credentials = credentials
        self.onReload = onReload
        policy = spec.handshake
        tunnelKey = spec.effectiveKey
        place = HandshakePlace(spec)
        service = spec.service
        judge = HandshakeJudge(policy: policy, tunnelKey: tunnelKey, place: place)
        tlsCode = spec.linkTLS.code
        transports = spec.transports
        self.acceptors = acceptors
        tunnel.log.write(.info, .attempt, "Pending tunnel handshake...")
    }

    /// Ends the session; no client gets another.
    func stop() {
        isStopped = true
        current?.session.end(TunnelError(.peerUnreachable, "stopped"))
    }

    // MARK: What its port asks

    /// The present client's, while links may come.
    var session: Session? { isStopped ? nil : current?.session }

    /// Whether all that comes from this address is taken for links: of a client that does not prove them.
    func claimsLinks(from address: String) -> Bool {
        guard let session, !session.isProven else { return false }
        return !checksAddress || address == session.peer
    }

    /// How links are taken at a port, of the kind that the present client has.
    func acceptor(at port: TransportProtocol) -> (any LinkAcceptor)? {
        acceptors.acceptor(at: port, for: session?.terms.transport)
    }

    /// Whether links of a client of v1.14, the present one or the next, have to come from its address.
    var checksAddress: Bool {
        let transport = session?.terms.transport ?? transports.last
        return acceptors.acceptor(at: transport == .quic ? .udp : .tcp, for: transport)?.checksAddress != false
    }

    var takesSealed: Bool { policy != .compatible }

    /// Whether the client has the key, and may show it.
    func takesToken(of request: HandshakeRequest) -> Bool {
        judge.hasToken(request) && judge.takesPlain(knowledge)
    }

    /// Another server of the same port was asked with what may be a guess.
    func noteFailure(of address: String) { judge.failed(address) }

    /// It was none.
    func noteSuccess(of address: String) { judge.proven(address) }

    /// Whether an address has failed too often to be answered.
    func refuses(_ address: String) -> Bool { !judge.admits(address, now: .now()) }

    private var knowledge: HandshakeJudge.Knowledge {
        HandshakeJudge.Knowledge(
            isPeerSealed: tunnel.isSealed(),
            hasSealedSession: current?.session.isSealed == true
        )
    }

    /// Has certificate files looked at; to be called for each connection with links at its port, whose server
    /// may be another with the same files.
    func refreshCertificate() {
        credentials?.refreshIfDue(report: onReload)
    }

    /// Links show this certificate from now on.
    func announce(_ certificate: CertificateSummary) {
        current?.session.announce(certificate.fingerprint)
    }

    func rejected(_ address: String, _ why: String) {
        tunnel.rejected(address, why)
    }

    /// Its client could be that of another server at the same port.
    func reportIndistinct(_ why: HandshakeRefusal.Misdirection, from address: String) {
        rejected(address, why.rawValue)
        reportOnce(TunnelError(.serviceUnknown, why.rawValue))
    }

    // MARK: Handshake

    /// Judges a request; the answer's bytes come at once, or when a present client has been asked
    /// whether it is alive.
    ///
    /// Returns a number for `withdraw` when it waits.
    func answer(
        _ request: HandshakeRequest,
        from address: String,
        then reply: @escaping (HandshakeAnswer) -> Void
    ) -> Int? {
        if let refusal = judge(request, from: address) {
            reply(.refused(refusal))
            return nil
        }
        return contend(
            Contender(
                clientID: request.clientID,
                extensions: request.extensions,
                keys: .tunnelKey(tunnelKey),
                nonce: request.extensions.isEmpty ? [] : SessionSecret.makeNonce(),
                address: address,
                reply: reply
            )
        )
    }

    /// Why this request is refused, nil when it is not; counts, logs and reports it.
    private func judge(_ request: HandshakeRequest, from address: String) -> HandshakeRefusal? {
        guard !isStopped else { return .unavailable }
        guard
            case .refused(let refusal, let why, let reason) = judge.judge(
                request,
                from: address,
                knowledge,
                now: .now()
            )
        else { return nil }
        if let why { rejected(address, why) }
        switch reason {
        case .peerDowngraded?: reportOnce(downgrade)
        case .authFailed?:
            reportOnce(TunnelError(.authFailed, "Unauthorized: a client has another key"))
        default: break
        }
        return refusal
    }

    private var downgrade: TunnelError {
        guard policy == .sealed else { return .downgraded("a client asks for", tunnel.id) }
        let message = "a client asks for the handshake of v1.14, and this end takes the sealed one only"
        return TunnelError(.peerDowngraded, message)
    }

    /// Reports once what keeps clients away while none is here, whatever strangers send.
    private func reportOnce(_ error: TunnelError) {
        guard current == nil, reported.insert(error.reason).inserted else { return }
        report(.rejected(error))
    }

    /// Has a client that is proven wait for the seat; its number when it has to wait.
    private func contend(_ contender: Contender) -> Int? {
        contendersSeen += 1
        let number = contendersSeen
        contenders[number] = contender
        let isPatient = contender.wait > .zero
        perform(
            seat.request(ServerSeat.Contender(number: number, clientID: contender.clientID, isPatient: isPatient))
        )
        guard contenders[number] != nil else { return nil }
        // Its client has to have the answer before the time of a handshake is over.
        let longest = tunnel.environment.handshakeTimeout * TunnelLimits.standbyHoldShare
        if isPatient { schedule(in: min(contender.wait, longest)) { self.perform(self.seat.expire(number)) } }
        return number
    }

    private func schedule(in delay: Duration, _ work: @escaping () -> Void) {
        tunnel.home.assumeIsolated().scheduleTask(in: TimeAmount(delay), work)
    }

    // MARK: Sealed handshake

    enum OfferAnswer {
        case accepted(SealedAcceptance)
        case refused(HandshakeRefusal)
    }

    /// Judges a request for the sealed handshake.
    func accept(_ offer: SealedOffer, of request: HandshakeRequest, from address: String) -> OfferAnswer {
        if let refusal = judge(request, from: address) { return .refused(refusal) }
        for neighbor in tunnel.neighbors { neighbor.noteFailure(of: address) }
        do {
            let loaded = try credentials?.current() ?? SelfSignedCertificate.ofThisProcess.get()
            return .accepted(SealedAcceptance(offer, loaded))
        } catch {
            tunnel.log.write(.error, "No certificate for the sealed handshake: \(ErrorText.words(for: error))")
            return .refused(.unavailable)
        }
    }

    /// The client has not proven the key; `hasProven` says that it has seen this end's proof.
    func sealedFailed(_ address: String, _ why: String, hasProven: Bool) {
        rejected(address, "sealed handshake failed: \(why)")
        guard hasProven else { return }
        let message = "Unauthorized: a client has another key, or the connection is intercepted"
        reportOnce(TunnelError(.authFailed, message))
    }

    /// Notes that the client is proven and, where that is to be remembered for good, waits until it is;
    /// `done` gets why it cannot be let in.
    func noteSealed(_ address: String, _ done: @escaping (HandshakeRefusal?) -> Void) {
        judge.proven(address)
        for neighbor in tunnel.neighbors { neighbor.noteSuccess(of: address) }
        guard judge.remembers, !tunnel.isSealed() else { return done(nil) }
        tunnel.rememberSealed().assumeIsolated().whenComplete { result in
            guard case .failure(let error) = result else { return done(nil) }
            self.tunnel.log.write(.error, ErrorText.words(for: error))
            done(.unavailable)
        }
    }

    /// As `answer` for a v1.14 request, for a client that is proven.
    func answer(
        _ request: SealedRequest,
        _ keys: SessionKeys,
        nonce: [UInt8],
        from address: String,
        then reply: @escaping (HandshakeAnswer) -> Void
    ) -> Int? {
        guard !isStopped else {
            reply(.refused(.unavailable))
            return nil
        }
        return contend(
            Contender(
                clientID: request.clientID,
                extensions: request.extensions.union(SessionExtension.ofEverySealedSession),
                keys: keys,
                nonce: nonce,
                address: address,
                unreachable: request.unreachable,
                wait: request.wait,
                reply: reply
            )
        )
    }

    /// The connection of a waiting request has closed.
    func withdraw(_ number: Int) {
        contenders[number] = nil
        seat.withdraw(number)
    }

    private func perform(_ actions: [ServerSeat.Action]) {
        for action in actions {
            switch action {
            case .begin(let number, let contender): begin(number, contenders.removeValue(forKey: contender))
            case .end(let number, let why): end(number, why)
            case .probe(let number): probe(number)
            case .probeLater(let number):
                schedule(in: TunnelLimits.standbyInterval) { self.perform(self.seat.probeAgain(number)) }
            case .refuse(let contender):
                guard let refused = contenders.removeValue(forKey: contender) else { continue }
                let holder = current?.session.peer ?? "unknown"
                tunnel.log.write(
                    .info,
                    .standby,
                    "Another client (\(refused.address)) is on standby; \(holder) has the tunnel"
                )
                refused.reply(.refused(isStopped ? .unavailable : .taken(by: holder)))
            }
        }
    }

    private static let clientCameBack = "the client connected again; its former session ended"

    private func end(_ number: Int, _ why: ServerSeat.EndReason) {
        guard let current, current.number == number else { return }
        let message =
            switch why {
            case .clientCameBack: Self.clientCameBack
            case .clientGone: "the client is gone; another takes its place"
            }
        end(current.session, message)
    }

    /// A client that never opened a link has a reason of its own to ask again.
    private func end(_ session: Session, _ message: String) {
        let unopened = "the client took the terms and opened no link"
        session.end(TunnelError(.peerUnreachable, session.hasControlLink ? message : unopened))
    }

    /// What a session has ended with that never had a link, with what is mostly the cause.
    private func doubting(_ error: TunnelError) -> TunnelError {
        guard credentials != nil, error.reason == .peerUnreachable else { return error }
        let doubt = "the client may not accept this end's certificate: its log says why"
        return TunnelError(error.reason, "\(error.message); \(doubt)")
    }

    private func probe(_ number: Int) {
        guard let current, current.number == number else { return perform(seat.probed(number, isAlive: false)) }
        tunnel.log.write(.debug, "Another client asks for the tunnel: asking whether the present client is alive")
        current.session.probe { self.perform(self.seat.probed(number, isAlive: $0)) }
    }

    /// Starts a session for this client and sends its terms.
    private func begin(_ number: Int, _ contender: Contender?) {
        guard let contender, !isStopped else {
            contender?.reply(.refused(.unavailable))
            return perform(seat.ended(number))
        }
        let terms = HandshakeTerms(
            flow: flow,
            max: max(tunnel.admission().plan.pool.max, 1),
            tls: tlsCode,
            transport: transport(for: contender),
            offers: contender.unreachable == nil ? [] : transports,
            extensions: contender.extensions,
            nonce: contender.nonce
        )
        reported = []
        tunnel.log.write(
            .info,
            .terms,
            "Sending tunnel config: FLOW=\(flow.rawValue)|MAX=\(terms.max)|TLS=\(tlsCode)|TYPE=\(terms.transport.codeText)"
        )
        let session = Session(
            terms: terms,
            side: .server,
            peer: contender.address,
            keys: contender.keys,
            tunnel: tunnel,
            dialer: nil,
            began: .now()
        ) { event in
            self.sessionEvent(event, of: number)
        }
        current = (number, session)
        judge.issue(contender.keys.tickets)
        tunnel.entrance.session = session
        session.start()
        contender.reply(.terms(terms))
    }

    /// The first that works for the client; the last, which is to work anywhere, where none is known to.
    private func transport(for contender: Contender) -> PoolTransport {
        let first = contender.unreachable.flatMap { unreachable in transports.first { !unreachable.contains($0) } }
        return first ?? transports[transports.count - 1]
    }

    private func sessionEvent(_ event: Session.Event, of number: Int) {
        switch event {
        case .established:
            // It may have been replaced since the handshake.
            if let credentials { current?.session.announce(credentials.current().certificate.fingerprint) }
            report(.established(flow))
        case .doubted, .trusted: break
        case .ended(var error):
            if current?.number == number {
                if current?.session.hasControlLink == false { error = doubting(error) }
                current = nil
                tunnel.entrance.session = nil
            }
            report(.lost(error))
            perform(seat.ended(number))
        case .strayBytes(let bytes):
            // A NodePass client that came back was taken for a link. Once the session has ended,
            // its next attempt is taken for a handshake.
            guard current?.session.isSealed == false,
                case .request(let request) = HandshakeRequest.parse(bytes.readableBytesView),
                judge.hasToken(request)
            else { return }
            if let current { end(current.session, Self.clientCameBack) }
        }
    }
}
