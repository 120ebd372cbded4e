import Config
import FoundationEssentials
import NIOCore

/// The server's end: judges handshakes on the tunnel's port and feeds links to the session, one
/// client at a time.
///
/// Lives on the tunnel's loop. The port stays open through it all: which of a handshake and a link
/// a connection is, its first byte says, or, where the client says nothing first, a short silence.
final class ServerEnd {
    let acceptor: any LinkAcceptor
    private let tunnel: TunnelContext
    private let tunnelKey: String
    private let token: HandshakeToken
    private let flow: TunnelFlow
    private let tlsCode: Int
    private let transport: PoolTransport
    private let report: (EndReport) -> Void
    private var throttle = HandshakeThrottle()
    private var seat = ServerSeat()
    private var current: (number: Int, session: Session)?
    /// Requests whose answer waits for the seat, by the contender's number.
    private var contenders: [Int: Contender] = [:]
    private var contendersSeen = 0
    private var isStopped = false

    private struct Contender {
        let request: HandshakeRequest
        let address: String
        let reply: (String) -> Void
    }

    init(
        spec: TunnelSpec,
        flow: TunnelFlow,
        acceptor: any LinkAcceptor,
        tunnel: TunnelContext,
        report: @escaping (EndReport) -> Void
    ) {
        self.tunnel = tunnel
        self.flow = flow
        self.report = report
        tunnelKey = spec.effectiveKey
        token = HandshakeToken(tunnelKey: tunnelKey)
        tlsCode = spec.tls?.code ?? 0
        transport = spec.transport
        self.acceptor = acceptor
        tunnel.log.write(.info, .attempt, "Pending tunnel handshake...")
    }

    /// Ends the session; no client gets another.
    func stop() {
        isStopped = true
        current?.session.end(TunnelError(.peerUnreachable, "stopped"))
    }

    // MARK: Connections on the tunnel's port

    /// What the next connection from `address` may be.
    enum Expectation {
        /// Only a handshake.
        case handshake
        /// A handshake or a link; the first byte shows which.
        case firstByte
        /// The same, but a link's client says nothing before it has its id.
        case silence
    }

    func expectation(of address: String) -> Expectation {
        guard let session = current?.session, !isStopped else { return .handshake }
        let proves = session.terms.extensions.contains(.linkProof)
        // A client of ours proves itself on every link, wherever it comes from. NodePass's is known
        // by its address alone.
        guard proves || address == session.peer else { return .handshake }
        return proves || acceptor.clientSpeaksFirst ? .firstByte : .silence
    }

    /// Makes a link, or several, of an accepted connection, which keeps its place until it is
    /// proven and has as long as a handshake to become one.
    func admit(_ channel: any Channel, _ place: UnprovenPlace, first: ByteBuffer) {
        guard let session = current?.session, !isStopped else {
            place.leave()
            return channel.close(promise: nil)
        }
        try? channel.syncOptions?.setOption(
            .recvAllocator,
            value: .relay(maximum: tunnel.environment.readBufferMaxBytes)
        )
        let address = LinkChannel(channel: channel, fingerprint: nil).peerName
        let patience = TimeAmount(tunnel.environment.handshakeTimeout)
        let deadline = channel.eventLoop.assumeIsolated().scheduleTask(in: patience) {
            self.rejected(address, "no link followed in time")
            channel.cut()
        }
        channel.closeFuture.assumeIsolated().whenComplete { _ in
            deadline.cancel()
            place.leave()
        }
        if acceptor.clientSpeaksFirst { place.grow(by: TunnelLimits.unprovenTLSBytes) }
        acceptor.accept(channel, first: first) { carrier in
            deadline.cancel()
            session.accept(carrier) { place.leave() }
        }
    }

    func rejected(_ address: String, _ why: String) {
        tunnel.counters.countRejected()
        tunnel.log.write(.warn, .rejected, "Connection from \(address) refused: \(why)")
    }

    // MARK: Handshake

    /// Judges a request; the answer's bytes come at once, or when a present client has been asked
    /// whether it is alive.
    ///
    /// Returns a number for `withdraw` when it waits.
    func answer(_ request: HandshakeRequest, from address: String, then reply: @escaping (String) -> Void) -> Int? {
        let now = NIODeadline.now()
        guard !isStopped else {
            reply(refusal(.unavailable))
            return nil
        }
        guard throttle.admits(address, now: now) else {
            rejected(address, "too many failed handshakes")
            reply(refusal(.tooManyAttempts))
            return nil
        }
        if let problem = request.problem(token: token) {
            throttle.failed(address, now: now)
            rejected(address, "handshake answered \(problem.status)")
            if problem == .unauthorized, current == nil {
                // Without the address: strangers must not make a step of the tunnel's life each.
                report(.rejected(TunnelError(.authFailed, "Unauthorized: a client has another key")))
            }
            reply(refusal(problem))
            return nil
        }
        contendersSeen += 1
        let number = contendersSeen
        contenders[number] = Contender(request: request, address: address, reply: reply)
        perform(seat.request(ServerSeat.Contender(number: number, clientID: request.clientID)))
        return contenders[number] == nil ? nil : number
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
            case .refuse(let contender):
                guard let refused = contenders.removeValue(forKey: contender) else { continue }
                let holder = current?.session.peer ?? "unknown"
                tunnel.log.write(
                    .info,
                    .standby,
                    "Another client (\(refused.address)) is on standby; \(holder) has the tunnel"
                )
                refused.reply(refusal(isStopped ? .unavailable : .taken(by: holder)))
            }
        }
    }

    private func end(_ number: Int, _ why: ServerSeat.EndReason) {
        guard let current, current.number == number else { return }
        let message =
            switch why {
            case .clientCameBack: "the client has come back"
            case .clientGone: "the client is gone; another takes its place"
            }
        current.session.end(TunnelError(.peerUnreachable, message))
    }

    private func probe(_ number: Int) {
        guard let current, current.number == number else { return perform(seat.probed(number, isAlive: false)) }
        tunnel.log.write(.debug, "Another client asks for the tunnel: asking whether the present client is alive")
        current.session.probe { self.perform(self.seat.probed(number, isAlive: $0)) }
    }

    func refusal(_ refusal: HandshakeRefusal) -> String {
        HandshakeReply.text(refusing: refusal, date: HTTPDate.text(Date()))
    }

    /// Starts a session for this client and sends its terms.
    private func begin(_ number: Int, _ contender: Contender?) {
        guard let contender, !isStopped else {
            contender?.reply(refusal(.unavailable))
            return perform(seat.ended(number))
        }
        let wanted = contender.request.extensions
        let terms = HandshakeTerms(
            flow: flow,
            max: max(tunnel.admission().plan.pool.max, 1),
            tls: tlsCode,
            transport: transport,
            extensions: wanted,
            nonce: wanted.isEmpty ? [] : SessionSecret.makeNonce()
        )
        tunnel.log.write(
            .info,
            .terms,
            "Sending tunnel config: FLOW=\(flow.rawValue)|MAX=\(terms.max)|TLS=\(tlsCode)|TYPE=\(transport.codeText)"
        )
        let session = Session(
            terms: terms,
            side: .server,
            peer: contender.address,
            tunnelKey: tunnelKey,
            tunnel: tunnel,
            dialer: nil,
            began: .now()
        ) { event in
            self.sessionEvent(event, of: number)
        }
        current = (number, session)
        tunnel.entrance.session = session
        session.start()
        contender.reply(HandshakeReply.text(terms: terms, date: HTTPDate.text(Date())))
    }

    private func sessionEvent(_ event: Session.Event, of number: Int) {
        switch event {
        case .established: report(.established(flow))
        case .ended(let error):
            if current?.number == number {
                current = nil
                tunnel.entrance.session = nil
            }
            report(.lost(error))
            perform(seat.ended(number))
        case .strayBytes(let bytes):
            // A NodePass client that came back was taken for a link. Once the session has ended,
            // its next attempt is taken for a handshake.
            guard case .request(let request) = HandshakeRequest.parse(bytes.readableBytesView),
                request.problem(token: token) == nil
            else { return }
            current?.session.end(TunnelError(.peerUnreachable, "the client has come back"))
        }
    }
}
