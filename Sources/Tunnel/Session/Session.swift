import Config
import FoundationEssentials
import NIOCore

/// One life of a two-ended tunnel, from the agreed terms to the failure that ends it.
///
/// Joins the parts that decide: `LinkTable` has the links, `LinkFiller` dials them (client) or
/// `LinkProofVerifier` lets them in (server), `ControlLink` carries the signals. Lives on the
/// tunnel's loop, without locks. It owns idle links and the control link; a link that was taken
/// belongs to its relay, which outlives the session.
final class Session {
    enum Event {
        /// Users can be given links.
        case established
        case ended(TunnelError)
        /// Client: the server does not answer, but the session goes on; see `trusted`.
        case doubted
        /// It has answered after all.
        case trusted
        /// The peer spoke on a link that was not in use; it is closed already.
        case strayBytes(ByteBuffer)
    }

    private enum Phase {
        /// There may be no control link yet, or certificates that have not been compared.
        case opening
        case established
        case ended
    }

    let terms: HandshakeTerms
    /// The server's certificate in the sealed handshake that has led to it; nil after another one.
    private let sealedFingerprint: String?
    /// The peer's address, without a port.
    let peer: String
    private let isEntry: Bool
    let tunnel: TunnelContext
    private let control: ControlLink
    /// The client's.
    private var filler: LinkFiller?
    /// What the client knows of the server's certificates, in a sealed session with TLS.
    private let pin: CertificatePin?
    /// The server's, where the client proves its links.
    private let verifier: LinkProofVerifier?
    private var table: LinkTable<Link>
    /// Links in use by users of this entry, to be closed when the exit refuses them.
    private var inUse: [LinkID: any Channel] = [:]
    /// Links in use whose refusal would not be the first: without one, the target is there again.
    private var onProbation: Set<LinkID> = []
    /// A `verify` that named a link which is not here yet.
    private var awaitedComparison: (id: LinkID, fingerprint: String)?
    /// Idle links that there have to be before our own `verify` names one.
    private var leastForVerify = 3
    private var isLateVerifyScheduled = false
    /// The certificate that the client has last heard of, at the server.
    private var announced: String?
    private var probes = PeerProbes()
    private var phase = Phase.opening
    private var onEvent: ((Event) -> Void)?

    /// `began` is when the handshake started; `dialer` and `pin` are the client's.
    init(
        terms: HandshakeTerms,
        side: SessionSide,
        peer: String,
        keys: SessionKeys,
        tunnel: TunnelContext,
        dialer: (any LinkDialer)?,
        pin: CertificatePin? = nil,
        began: NIODeadline,
        onEvent: @escaping (Event) -> Void
    ) {
        self.terms = terms
        self.peer = peer
        self.tunnel = tunnel
        self.onEvent = onEvent
        self.pin = pin
        isEntry = terms.flow.isEntry(side)
        sealedFingerprint = keys.fingerprint
        announced = keys.fingerprint
        let secret = keys.secret(for: terms)
        let proofSecret = terms.extensions.contains(.linkProof) ? secret : nil
        verifier = side == .server ? proofSecret.map { LinkProofVerifier(secret: $0) } : nil
        table = LinkTable(size: PoolBounds(min: tunnel.admission().plan.pool.min, max: terms.max))
        control = ControlLink(
            state: ControlState(
                isEntry: isEntry,
                verification: keys.isSealed ? .none : .between(side, terms),
                reportInterval: TimeAmount(tunnel.environment.reportInterval),
                isWatchful: side == .client && !terms.extensions.isEmpty,
                now: .now()
            ),
            codec: keys.signalCodec(for: terms, secret, writer: side),
            tunnel: tunnel,
            began: began
        )
        filler = dialer.map { dialer in
            LinkFiller(dialer: dialer, tunnel: tunnel, secret: proofSecret) { [weak self] in self?.fillerEvent($0) }
        }
    }

    /// Whether the peer has opened a link at all.
    var hasControlLink: Bool { control.isOpen }

    /// Begins: the client dials, the server waits; without a control link in time the session ends.
    func start() {
        tunnel.log.write(
            .info,
            .handshake,
            isSealed
                ? "The other end has proven the key in a sealed handshake"
                : "The other end takes the handshake of v1.14, which anyone who sees it can repeat"
        )
        tunnel.log.write(.info, .poolStart, "Getting tunnel pool ready...")
        control.start(hasAlternative: terms.offers.count > 1) { self.controlEvent($0) }
        refill()
    }

    /// Closes the control link and every idle one; relays go on.
    func end(_ error: TunnelError) {
        guard phase != .ended else { return }
        if isEstablished { tunnel.peerLeft() }
        phase = .ended
        control.close()
        filler?.stop()
        for link in table.removeAll() { link.close() }
        inUse = [:]
        onProbation = []
        tunnel.counters.recordIdle(0)
        let report = onEvent
        onEvent = nil
        report?(.ended(error))
        answerProbes(false)
    }

    /// Whether a sealed handshake has led to it.
    var isSealed: Bool { sealedFingerprint != nil }

    private var peerKind: PeerSummary.Kind {
        if isSealed { return .sealed }
        return terms.extensions.isEmpty ? .original : .own
    }

    /// True while users can be given links.
    var isEstablished: Bool { phase == .established }

    /// Whether a user would be given a link now.
    var hasSpareLink: Bool { isEstablished && table.pool.idle > spared }

    /// Asks whether the peer still answers, within a time limit; one that has no control link yet
    /// has as long to get it.
    func probe(_ answer: @escaping (Bool) -> Void) {
        guard phase != .ended else { return answer(false) }
        let number = probes.add(answer)
        control.send(.ping)
        schedule(in: TunnelLimits.ghostPatience) { self.probes.expire(number)?(false) }
    }

    private func answerProbes(_ isAlive: Bool) {
        for answer in probes.takeAll() { answer(isAlive) }
    }

    private func schedule(in delay: Duration, _ work: @escaping () -> Void) {
        tunnel.home.assumeIsolated().scheduleTask(in: TimeAmount(delay), work)
    }

    // MARK: Links arrive

    /// Whether its client proves each link.
    var isProven: Bool { terms.extensions.contains(.linkProof) }

    /// Whether a proof says that it is of this session.
    func routes(_ proof: LinkProof?) -> Bool { proof != nil && proof?.route == verifier?.route }

    /// Whether this proof, which counts once, is one of the peer's.
    func admits(_ proof: LinkProof, on carrier: LinkChannel) -> Bool {
        verifier?.admits(proof, fingerprint: carrier.fingerprint) == true
    }

    /// Whether another link would be given an id.
    ///
    /// Of those that are idle at an exit its peer may have taken some for users, and be dialling others,
    /// before its signals say so.
    var hasRoom: Bool {
        phase != .ended && table.pool.idle < (isEntry ? terms.max : 2 * terms.max + TunnelLimits.parallelLinkDials)
    }

    /// The server's side: a channel that a transport delivered, and that is the peer's, becomes a link, or is
    /// closed; `early` came behind its proof.
    func accept(_ carrier: LinkChannel, early: ByteBuffer) {
        guard hasRoom else { return carrier.channel.closeAtOnce() }
        // The first link is the control link. Ids of later ones are random, so that one cannot be
        // taken for another that ended a short while ago.
        var random = SystemRandomNumberGenerator()
        var id = LinkID.control
        if control.isOpen {
            repeat {
                id = LinkID(.random(in: 1 ... .max, using: &random))
            } while table.pool.knows(id) || inUse[id] != nil
        }
        carrier.channel.writeAndFlush(ByteBuffer(integer: id.value), promise: nil)
        admit(id, carrier, early: early)
    }

    /// The client's side: what has come of a dial.
    private func fillerEvent(_ event: LinkFiller.Event) {
        switch event {
        case .link(let id, let carrier, let early):
            table.dialEnded()
            admit(id, carrier, early: early)
            refill()
        case .failed: table.dialEnded()
        case .refused(let error):
            table.dialEnded()
            end(error)
        case .mayDial: refill()
        }
    }

    private func admit(_ id: LinkID, _ carrier: LinkChannel, early: ByteBuffer) {
        guard phase != .ended else { return carrier.channel.closeAtOnce() }
        do {
            if id == .control {
                try openControlLink(carrier, early: early)
            } else {
                try addIdle(id, carrier, early: early)
            }
        } catch {
            carrier.channel.closeAtOnce()
        }
    }

    private func addIdle(_ id: LinkID, _ carrier: LinkChannel, early: ByteBuffer) throws {
        // Reserved first: the events of a second link of one id would be taken for the first one's.
        guard table.reserve(id, fingerprint: carrier.fingerprint) else { return carrier.channel.closeAtOnce() }
        do {
            table.add(
                id,
                try Link(id: id, carrier, early: early, isEntry: isEntry) { id, event in self.idleLink(id, event) }
            )
        } catch {
            drop(id)
            throw error
        }
        noteIdle()
        // The peer's signals may have come before the link that they name.
        if let claim = table.takeClaim(of: id) { useLink(id, claim) }
        if let awaitedComparison, awaitedComparison.id == id { compare(id, awaitedComparison.fingerprint) }
        sendVerifyIfDue()
        scheduleLateVerify()
        tunnel.entrance.supplyUsers()
    }

    /// A pool may have fewer links than there are to choose from, and a slow line brings them late.
    private func scheduleLateVerify() {
        guard control.state.owesVerify, !isLateVerifyScheduled else { return }
        isLateVerifyScheduled = true
        schedule(in: TunnelLimits.lateVerifyPatience) {
            self.leastForVerify = 1
            self.sendVerifyIfDue()
        }
    }

    private func idleLink(_ id: LinkID, _ event: IdleLinkHandler.Event) {
        guard phase != .ended else { return }
        switch event {
        case .unexpectedBytes(let bytes):
            tunnel.counters.countRejected()
            drop(id)
            tunnel.log.write(.warn, .strayBytes, "Link \(id) closed: the peer spoke on it before it was used")
            onEvent?(.strayBytes(bytes))
        case .inputEnded where !isEntry:
            // The user has sent everything and the signal that names the link is still on its way.
            guard table.endInput(of: id, now: .now()) else { return }
            schedule(in: tunnel.environment.poolGetTimeout) { self.table.takeInputEnded(id)?.close() }
        case .inputEnded, .closed: drop(id)
        }
        noteIdle()
        refill()
    }

    private func drop(_ id: LinkID) {
        table.end(id, now: .now())?.close()
    }

    private func noteIdle() {
        tunnel.counters.recordIdle(table.pool.idle)
    }

    /// Dials as many links as the pool wants now; the server never does.
    func refill() {
        guard let filler, filler.canDial else { return }
        let waiting = isEntry ? tunnel.entrance.waiting + spared : 0
        let size = PoolBounds(min: tunnel.admission().plan.pool.min, max: terms.max)
        let parallel = control.isOpen ? TunnelLimits.parallelLinkDials : TunnelLimits.firstLinkDials
        for _ in 0..<table.dials(size: size, waiting: waiting, parallel: parallel) { filler.dial() }
    }

    // MARK: Links are used

    /// The entry's side: the oldest idle link, named to the exit for this user; nil when there is
    /// none.
    func takeLink(_ transport: TransportProtocol, user: String) -> Link? {
        guard isEstablished else { return nil }
        defer {
            noteIdle()
            refill()
        }
        guard let (id, link) = table.take(sparing: spared, now: .now(), where: { $0.channel.isActive }) else {
            return nil
        }
        if terms.extensions.contains(.refuse) {
            inUse[id] = link.channel
            link.channel.closeFuture.assumeIsolated().whenComplete { _ in self.inUse[id] = nil }
            if tunnel.isFarTargetFailing { putOnProbation(id) }
        }
        control.send(.open(transport, id: id, user: user))
        perform(control.state.noteUser(now: .now()))
        return link
    }

    private func putOnProbation(_ id: LinkID) {
        onProbation.insert(id)
        schedule(in: tunnel.environment.tcpDialTimeout * TunnelLimits.refusalPatience) {
            if self.onProbation.remove(id) != nil { self.tunnel.servedByPeer() }
        }
    }

    /// Idle links to leave for the peer, as far as there can be any.
    private var spared: Int {
        control.state.awaitsPeersPick ? min(TunnelLimits.sparedLinks, terms.max - 1) : 0
    }

    /// The exit's side: the peer has taken this link for a user.
    private func useLink(_ id: LinkID, _ claim: LinkClaim) {
        switch table.claim(id, claim, now: .now()) {
        case .use(let link):
            let session = self
            tunnel.exit.connect(link, claim, framed: terms.extensions.contains(.datagramFrames)) { why in
                session.refuse(id, why)
            }
        case .await: schedule(in: tunnel.environment.poolGetTimeout) { self.giveUpAwaiting(id) }
        case .refuse(let why): refuse(id, why)
        case nil: break
        }
        perform(control.state.noteUser(now: .now()))
        noteIdle()
        refill()
    }

    private func giveUpAwaiting(_ id: LinkID) {
        guard phase != .ended, table.takeClaim(of: id) != nil else { return }
        control.state.missedLink()
        tunnel.log.write(.error, .missingLink, "The link \(id) that the peer named did not arrive")
        refuse(id, "the link did not arrive")
    }

    private func refuse(_ id: LinkID, _ why: String) {
        guard phase != .ended, terms.extensions.contains(.refuse) else { return }
        control.send(.refuse(id: id, why: why))
    }

    // MARK: The control link

    private func openControlLink(_ carrier: LinkChannel, early: ByteBuffer) throws {
        guard !control.isOpen else { return carrier.channel.closeAtOnce() }
        filler?.isServerStarting = false
        try control.open(carrier, early: early)
        pin?.canHear = true
        if let sealedFingerprint, terms.tls != 0 {
            // As after a `verify`: NodePass's users look for this line.
            tunnel.log.write(.info, "TLS certificate fingerprint verified: \(sealedFingerprint)")
        }
        schedule(in: TunnelLimits.verifyPatience) { self.sendVerifyIfDue(atLeast: 1) }
        sendVerifyIfDue()
        if !isEntry || control.state.isGateOpen { establish() }
    }

    private func controlEvent(_ event: ControlLink.Event) {
        switch event {
        case .opened:
            answerProbes(true)
            perform(control.state.start(now: .now()))
        case .answered: answerProbes(true)
        case .effects(let effects): perform(effects)
        case .beat: beat()
        case .closed(let error):
            answerProbes(false)
            end(error)
        case .failed(let error): end(error)
        }
    }

    private func establish() {
        guard phase == .opening else { return }
        phase = .established
        tunnel.peerCame(PeerSummary(address: peer, kind: peerKind, transport: terms.transport, since: Date()))
        onEvent?(.established)
        tunnel.entrance.supplyUsers()
    }

    private func beat() {
        perform(control.state.beat(idle: table.pool.idle, now: .now()))
        guard phase != .ended else { return }
        let surplus = table.settle(now: .now())
        if surplus > 0, filler != nil, terms.extensions.contains(.trim) {
            if isEntry { trim(surplus) } else { control.send(.trim(count: surplus)) }
        }
        refill()
    }

    /// Closes idle links from the entry's side, which alone can without a user just taking one.
    private func trim(_ count: Int) {
        for link in table.trim(count, now: .now()) { link.close() }
        noteIdle()
    }

    private func perform(_ effects: [ControlState.Effect]) {
        for effect in effects where phase != .ended {
            switch effect {
            case .send(let signal): control.send(signal)
            case .dialTarget(let transport, let id, let user):
                useLink(id, LinkClaim(transport: transport, user: user))
            case .compare(let id, let fingerprint): compare(id, fingerprint)
            case .openGate: establish()
            case .closeIdleLinks:
                tunnel.log.write(.debug, "Idle links flushed")
                for link in table.flush(now: .now()) { link.close() }
                noteIdle()
                refill()
            case .refused(let id, let why):
                onProbation.remove(id)
                tunnel.refusedByPeer(why)
                inUse.removeValue(forKey: id)?.closeAtOnce()
            case .trim(let count): if terms.extensions.contains(.trim) { trim(count) }
            case .roundTrip(let time): tunnel.counters.recordPing(milliseconds: Int(time.nanoseconds / 1_000_000))
            case .learn(let fingerprint): learn(fingerprint)
            case .pulse(let delay): control.schedulePulse(after: delay)
            case .doubt: onEvent?(.doubted)
            case .trust:
                // What failed meanwhile says nothing any more.
                filler?.retryNow()
                onEvent?(.trusted)
            case .fail(let error): end(error)
            }
        }
    }

    // MARK: Certificates

    /// The server's side: links show this certificate from now on.
    func announce(_ fingerprint: String) {
        guard isSealed, control.isOpen, fingerprint != announced, terms.extensions.contains(.certificate) else {
            return
        }
        announced = fingerprint
        control.send(.certificate(fingerprint: fingerprint))
    }

    private func learn(_ fingerprint: String) {
        guard let pin, terms.extensions.contains(.certificate) else { return }
        pin.learn(fingerprint)
        tunnel.log.write(.info, .verified, "The server has a new certificate: \(fingerprint)")
    }

    /// A peer's `verify` may overtake the link it names, which is waited for then.
    private func compare(_ id: LinkID, _ fingerprint: String) {
        guard let own = table.pool.fingerprint(of: id) else {
            awaitedComparison = (id, fingerprint)
            schedule(in: tunnel.environment.poolGetTimeout) {
                guard self.phase != .ended, self.awaitedComparison != nil else { return }
                self.perform(self.control.state.verified(fingerprint, against: nil))
            }
            return
        }
        awaitedComparison = nil
        // The peer closes the link it names, which may be seen later than its signal: no user is to
        // get it.
        drop(id)
        noteIdle()
        if own == fingerprint {
            tunnel.log.write(.info, .verified, "TLS certificate fingerprint verified: \(fingerprint)")
        }
        perform(control.state.verified(fingerprint, against: own))
        sendVerifyIfDue(atLeast: 1)
        refill()
    }

    /// Sends our `verify`, once.
    ///
    /// Both ends name a link and close it. Were it the same link, each would compare with one that
    /// is gone: ours is named from the middle of the idle ones, so it waits for a while until there are
    /// some.
    private func sendVerifyIfDue(atLeast count: Int? = nil) {
        guard control.isOpen, phase != .ended, control.state.owesVerify, table.pool.idle >= count ?? leastForVerify,
            let (id, link) = table.takeForVerify(now: .now()), control.state.takeOwnVerify()
        else { return }
        control.send(.verify(id: id, fingerprint: link.fingerprint))
        link.close()
        noteIdle()
        refill()
    }
}

extension ControlState.Verification {
    /// What a session of these terms does about certificates; a sealed one has settled that: each link's
    /// proof is of its certificate, and the client knows which one to expect.
    fileprivate static func between(_ side: SessionSide, _ terms: HandshakeTerms) -> Self {
        switch (terms.tls, side) {
        case (0, _): .none
        case (2, .client) where terms.extensions.isEmpty: .byAuthority
        default: .mutual
        }
    }
}
