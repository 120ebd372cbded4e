import Config
import NIOCore

/// One life of a two-ended tunnel, from the agreed terms to the failure that ends it: the pool of links, the control
/// link, and what the two states decide about them.
///
/// Lives on the tunnel's loop, without locks. It owns idle links and the control link; a link that was taken belongs to
/// its relay, which outlives the session.
final class Session {
    enum Event {
        /// Users can be served.
        case established
        case ended(TunnelError)
        /// The peer spoke on a link that was not in use; it is closed already.
        case strayBytes(ByteBuffer)
    }

    struct Claim {
        let transport: TransportProtocol
        let user: String
    }

    let terms: HandshakeTerms
    let side: SessionSide
    let isEntry: Bool
    /// The peer's address, without a port.
    let peer: String
    let tunnel: TunnelContext
    let loop: any EventLoop
    private let secret: SessionSecret?
    private let codec: SignalCodec
    private let entrance: LinkEntrance
    private let exit: LinkExit
    private let dialer: (any LinkDialer)?
    private let began: NIODeadline
    private var onEvent: ((Event) -> Void)?

    private var pool: PoolState
    private var control: ControlState
    private var controlHandler: ControlHandler?
    private var proofs = LinkProofWindow()
    private var links: [LinkID: Link] = [:]
    /// Links whose user has sent all it will before the signal came; the signal may still name them.
    private var fading: [LinkID: Link] = [:]
    /// Links the peer has named that are not here yet.
    private var awaited: [LinkID: Claim] = [:]
    /// Links in use by users of this entry, to be closed when the exit refuses them.
    private var used: [LinkID: any Channel] = [:]
    /// A `verify` that named a link which is not here yet.
    private var awaitedComparison: (id: LinkID, fingerprint: String)?
    private var nextProof: UInt64 = 0
    private var hasControl = false
    private var isEstablished = false
    private var hasEnded = false
    private var heartbeat: Scheduled<Void>?
    private var controlDeadline: Scheduled<Void>?
    private var redial: Scheduled<Void>?
    private var failedDials = 0
    private var probes: [(Bool) -> Void] = []

    /// `began` is when the handshake started; `dialer` is the client's.
    init(
        terms: HandshakeTerms,
        side: SessionSide,
        peer: String,
        tunnelKey: String,
        tunnel: TunnelContext,
        entrance: LinkEntrance,
        exit: LinkExit,
        dialer: (any LinkDialer)?,
        began: NIODeadline,
        onEvent: @escaping (Event) -> Void
    ) {
        self.terms = terms
        self.side = side
        self.peer = peer
        self.tunnel = tunnel
        self.entrance = entrance
        self.exit = exit
        self.dialer = dialer
        self.began = began
        self.onEvent = onEvent
        loop = tunnel.home
        isEntry = terms.flow.isEntry(side)
        secret = terms.extensions.isEmpty ? nil : SessionSecret(tunnelKey: tunnelKey, nonce: terms.nonce)
        codec =
            secret.flatMap { terms.extensions.contains(.sealedSignals) ? SignalCodec(secret: $0, writer: side) : nil }
            ?? SignalCodec(tunnelKey: tunnelKey)
        pool = PoolState(size: PoolBounds(min: tunnel.admission().plan.pool.min, max: terms.max))
        let verification: ControlState.Verification =
            switch (terms.tls, side) {
            case (0, _): .none
            case (2, .client) where terms.extensions.isEmpty: .byAuthority
            default: .mutual
            }
        control = ControlState(
            isEntry: isEntry,
            verification: verification,
            reportInterval: TimeAmount(tunnel.environment.reportInterval),
            now: .now()
        )
    }

    /// Begins: the client dials, the server waits; without a control link in time the session ends.
    func start() {
        tunnel.log.write(.info, "Getting tunnel pool ready...")
        let patience = TimeAmount(tunnel.environment.handshakeTimeout + tunnel.environment.poolGetTimeout)
        controlDeadline = loop.assumeIsolated().scheduleTask(in: patience) {
            self.end(
                TunnelError(.peerUnreachable, "no link to the peer within \(patience.nanoseconds / 1_000_000_000) s")
            )
        }
        refill()
    }

    /// Closes the control link and every idle one; relays go on.
    func end(_ error: TunnelError) {
        guard !hasEnded else { return }
        hasEnded = true
        heartbeat?.cancel()
        controlDeadline?.cancel()
        redial?.cancel()
        controlHandler?.close()
        for link in links.values { link.close() }
        for link in fading.values { link.close() }
        links = [:]
        fading = [:]
        awaited = [:]
        used = [:]
        tunnel.counters.recordIdle(0)
        let report = onEvent
        onEvent = nil
        report?(.ended(error))
    }

    /// True while users can be given links.
    var serves: Bool { isEstablished && !hasEnded }

    /// Asks whether the peer still answers, within a time limit.
    func probe(_ answer: @escaping (Bool) -> Void) {
        guard let controlHandler, !hasEnded else { return answer(false) }
        probes.append(answer)
        controlHandler.send(.ping)
        loop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.ghostPatience)) { self.answerProbes(false) }
    }

    private func answerProbes(_ isAlive: Bool) {
        let waiting = probes
        probes = []
        for answer in waiting { answer(isAlive) }
    }

    // MARK: Links arrive

    /// The server's side: a channel that a transport delivered becomes a link, or is closed.
    func greet(_ carrier: LinkChannel) {
        guard let secret, terms.extensions.contains(.linkProof) else { return assignID(carrier, early: ByteBuffer()) }
        let reader = ExactReader(
            length: LinkProof.lengthBytes,
            within: TimeAmount(tunnel.environment.handshakeTimeout)
        ) { result in
            guard case .success((let bytes, let rest)) = result else { return }
            guard let proof = LinkProof(bytes), proof == LinkProof(number: proof.number, secret: secret),
                self.proofs.admit(proof.number)
            else {
                self.tunnel.counters.countRejected()
                self.tunnel.log.write(.warn, "Link without proof of the tunnel key from \(carrier.peerName) closed")
                return carrier.channel.close(promise: nil)
            }
            self.assignID(carrier, early: rest)
        }
        try? carrier.channel.pipeline.syncOperations.addHandler(reader)
    }

    private func assignID(_ carrier: LinkChannel, early: ByteBuffer) {
        guard !hasEnded, pool.idle < terms.max else { return carrier.channel.close(promise: nil) }
        var random = SystemRandomNumberGenerator()
        var id = LinkID.control
        if hasControl {
            repeat { id = LinkID(.random(in: 1 ... .max, using: &random)) } while pool.knows(id) || used[id] != nil
        }
        carrier.channel.writeAndFlush(ByteBuffer(integer: id.value), promise: nil)
        admit(id, carrier, early: early)
    }

    /// The client's side: reads the id the server gives the channel.
    private func readID(of carrier: LinkChannel) {
        if let secret, terms.extensions.contains(.linkProof) {
            nextProof += 1
            let proof = LinkProof(number: nextProof, secret: secret)
            carrier.channel.writeAndFlush(ByteBuffer(bytes: proof.bytes), promise: nil)
        }
        let reader = ExactReader(length: 4, within: TimeAmount(TunnelLimits.linkIDWait)) { result in
            self.pool.dialEnded()
            switch result {
            case .success((let bytes, let rest)):
                self.failedDials = 0
                self.admit(LinkID(bytes.reduce(0) { $0 << 8 | UInt32($1) }), carrier, early: rest)
            case .failure(let error): self.dialFailed(error)
            }
            self.refill()
        }
        do {
            try carrier.channel.pipeline.syncOperations.addHandler(reader)
        } catch {
            pool.dialEnded()
            carrier.channel.close(promise: nil)
        }
    }

    private func admit(_ id: LinkID, _ carrier: LinkChannel, early: ByteBuffer) {
        guard !hasEnded else { return carrier.channel.close(promise: nil) }
        do {
            if id == .control {
                try takeControl(carrier, early: early)
            } else {
                try takeIdle(id, carrier, early: early)
            }
        } catch {
            carrier.channel.close(promise: nil)
        }
    }

    private func takeIdle(_ id: LinkID, _ carrier: LinkChannel, early: ByteBuffer) throws {
        guard pool.add(id, fingerprint: carrier.fingerprint) else { return carrier.channel.close(promise: nil) }
        links[id] = try Link(id: id, carrier, early: early, isEntry: isEntry) { id, event in self.idleLink(id, event) }
        noteIdle()
        if let claim = awaited.removeValue(forKey: id) { serve(id, claim) }
        if let awaitedComparison, awaitedComparison.id == id { compare(id, awaitedComparison.fingerprint) }
        sendVerifyIfDue()
        entrance.serve()
    }

    private func idleLink(_ id: LinkID, _ event: IdleLinkHandler.Event) {
        guard !hasEnded else { return }
        switch event {
        case .unexpectedBytes(let bytes):
            tunnel.counters.countRejected()
            drop(id)
            tunnel.log.write(.warn, "Link \(id) closed: the peer spoke on it before it was used")
            onEvent?(.strayBytes(bytes))
        case .inputEnded where !isEntry:
            guard let link = links.removeValue(forKey: id) else { return }
            pool.end(id, now: .now())
            fading[id] = link
            loop.assumeIsolated().scheduleTask(in: TimeAmount(tunnel.environment.poolGetTimeout)) {
                self.fading.removeValue(forKey: id)?.close()
            }
        case .inputEnded, .closed:
            fading[id] = nil
            drop(id)
        }
        noteIdle()
        refill()
    }

    private func drop(_ id: LinkID) {
        pool.end(id, now: .now())
        links.removeValue(forKey: id)?.close()
    }

    private func noteIdle() {
        tunnel.counters.recordIdle(pool.idle)
    }

}

extension LinkChannel {
    var peerName: String { channel.remoteAddress?.ipAddress ?? "unknown" }
}

// MARK: - Dialling

extension Session {
    /// Dials as many links as the pool wants now; the server never does.
    func refill() {
        guard let dialer, !hasEnded, redial == nil else { return }
        pool.resize(PoolBounds(min: tunnel.admission().plan.pool.min, max: terms.max))
        let waiting = isEntry ? entrance.waiting + spared : 0
        for _ in 0..<pool.dials(waiting: waiting) {
            dialer.dial(on: loop).assumeIsolated().whenComplete { result in
                switch result {
                case .success(let carrier):
                    guard !self.hasEnded else { return carrier.value.channel.close(promise: nil) }
                    self.readID(of: carrier.value)
                case .failure(let error):
                    self.pool.dialEnded()
                    self.dialFailed(error)
                }
            }
        }
    }

    /// Tries again after a while: soon at first, because a NodePass server rebinds its port after the handshake.
    private func dialFailed(_ error: any Error) {
        guard !hasEnded else { return }
        if let refusal = error as? TunnelError { return end(refusal) }
        failedDials += 1
        guard redial == nil else { return }
        let environment = tunnel.environment
        let delay: TimeAmount =
            hasControl
            ? min(
                TimeAmount(environment.minPoolInterval) * (1 << min(failedDials / 8, 10)),
                TimeAmount(environment.maxPoolInterval)
            )
            : TimeAmount(TunnelLimits.redialAfterHandshake)
        tunnel.log.write(.debug, "Link not made: \(error); trying again in \(delay.nanoseconds / 1_000_000) ms")
        redial = loop.assumeIsolated().scheduleTask(in: delay) {
            self.redial = nil
            self.refill()
        }
    }
}

// MARK: - Control

extension Session {
    private func takeControl(_ carrier: LinkChannel, early: ByteBuffer) throws {
        guard !hasControl else { return carrier.channel.close(promise: nil) }
        hasControl = true
        controlDeadline?.cancel()
        let handler = ControlHandler(codec: codec, queueLimit: tunnel.environment.semaphoreLimit) { event in
            self.controlEvent(event)
        }
        controlHandler = handler
        try carrier.channel.pipeline.syncOperations.addHandler(handler)
        try carrier.channel.syncOptions?.setOption(.autoRead, value: true)
        let milliseconds = (NIODeadline.now() - began).nanoseconds / 1_000_000
        tunnel.log.write(.info, "Marking tunnel handshake as complete in \(milliseconds)ms")
        if control.owesVerify { tunnel.log.write(.info, "TLS certificate fingerprint verifying...") }
        perform(control.start(now: .now()))
        scheduleBeat()
        loop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.verifyPatience)) {
            self.sendVerifyIfDue(atLeast: 1)
        }
        if early.readableBytes > 0 { handler.receive(early) }
        sendVerifyIfDue()
        if !isEntry || control.isGateOpen { establish() }
    }

    private func establish() {
        guard !isEstablished, !hasEnded else { return }
        isEstablished = true
        onEvent?(.established)
        entrance.serve()
    }

    private func scheduleBeat() {
        let interval = TimeAmount(tunnel.environment.reportInterval)
        heartbeat = loop.assumeIsolated().scheduleTask(in: interval) { self.beat() }
    }

    private func beat() {
        perform(control.beat(idle: pool.idle, now: .now()))
        guard !hasEnded else { return }
        scheduleBeat()
        let surplus = pool.settle(now: .now())
        if surplus > 0, dialer != nil, terms.extensions.contains(.trim) {
            if isEntry { trim(surplus) } else { send(.trim(count: surplus)) }
        }
        refill()
    }

    /// Closes idle links from the entry's side, which alone can without a user just taking one.
    private func trim(_ count: Int) {
        for _ in 0..<min(count, pool.idle - 1) {
            guard let id = pool.take(now: .now()) else { break }
            links.removeValue(forKey: id)?.close()
        }
        noteIdle()
    }

    private func controlEvent(_ event: ControlHandler.Event) {
        switch event {
        case .signal(let signal):
            if case .pong = signal { answerProbes(true) }
            perform(control.received(signal, now: .now()))
        case .badLine(.forged):
            tunnel.counters.countRejected()
            end(TunnelError(.authFailed, "the control link carries a line that was not sealed by the peer"))
        case .badLine(let problem):
            tunnel.counters.countRejected()
            tunnel.log.write(.warn, "Control line skipped: \(problem)")
            perform(control.receivedGarbage(now: .now()))
        case .ended(let why):
            answerProbes(false)
            end(TunnelError(.peerUnreachable, why))
        }
    }

    func send(_ signal: Signal) {
        controlHandler?.send(signal)
    }

    private func perform(_ effects: [ControlState.Effect]) {
        for effect in effects where !hasEnded {
            switch effect {
            case .send(let signal): send(signal)
            case .serve(let transport, let id, let user): serve(id, Claim(transport: transport, user: user))
            case .compare(let id, let fingerprint): compare(id, fingerprint)
            case .openGate: establish()
            case .closeIdleLinks:
                tunnel.log.write(.debug, "Idle links flushed")
                for id in pool.flush(now: .now()) { links.removeValue(forKey: id)?.close() }
                noteIdle()
                refill()
            case .refused(let id, let why):
                tunnel.log.write(.error, "The peer refused a connection: \(why.prefix(TunnelLimits.refusalTextLength))")
                used.removeValue(forKey: id)?.closeAtOnce()
            case .trim(let count): trim(count)
            case .roundTrip(let time): tunnel.counters.recordPing(milliseconds: Int(time.nanoseconds / 1_000_000))
            case .fail(let error): end(error)
            }
        }
    }

    /// A peer's `verify` may overtake the link it names, which is waited for then.
    private func compare(_ id: LinkID, _ fingerprint: String) {
        guard let own = pool.fingerprint(of: id) else {
            awaitedComparison = (id, fingerprint)
            loop.assumeIsolated().scheduleTask(in: TimeAmount(tunnel.environment.poolGetTimeout)) {
                guard !self.hasEnded, self.awaitedComparison != nil else { return }
                self.perform(self.control.verified(fingerprint, against: nil))
            }
            return
        }
        awaitedComparison = nil
        if own == fingerprint { tunnel.log.write(.info, "TLS certificate fingerprint verified: \(fingerprint)") }
        perform(control.verified(fingerprint, against: own))
        sendVerifyIfDue(atLeast: 1)
    }

    /// Sends our `verify` once, naming a link that the peer will not name: we wait a moment until there is a choice.
    private func sendVerifyIfDue(atLeast count: Int = 3) {
        guard hasControl, !hasEnded, control.owesVerify, pool.idle >= count,
            let id = pool.takeForVerify(now: .now()), control.takeOwnVerify()
        else { return }
        let link = links.removeValue(forKey: id)
        send(.verify(id: id, fingerprint: link?.fingerprint))
        link?.close()
        noteIdle()
        refill()
    }
}

// MARK: - Using links

extension Session {
    /// The entry's side: the oldest idle link, named to the exit for this user; nil when there is none.
    func open(_ transport: TransportProtocol, user: String) -> Link? {
        guard serves else { return nil }
        defer {
            noteIdle()
            refill()
        }
        while let id = pool.take(sparing: spared, now: .now()) {
            guard let link = links.removeValue(forKey: id), link.channel.isActive else { continue }
            if terms.extensions.contains(.refuse) {
                used[id] = link.channel
                link.channel.closeFuture.assumeIsolated().whenComplete { _ in self.used[id] = nil }
            }
            send(.open(transport, id: id, user: user))
            return link
        }
        return nil
    }

    /// Idle links to leave for the peer, as far as there can be any.
    private var spared: Int {
        control.awaitsPeersPick ? min(TunnelLimits.sparedLinks, terms.max - 1) : 0
    }

    /// The exit's side: the peer has taken link `id` for a user.
    private func serve(_ id: LinkID, _ claim: Claim) {
        switch pool.claim(id, now: .now()) {
        case .taken:
            if let link = links.removeValue(forKey: id) { use(link, claim) }
        case .ended:
            // Without it the user has gone too: the entry's end of the link has closed by itself.
            if let link = fading.removeValue(forKey: id) { use(link, claim) }
        case .unknown: wait(for: id, claim)
        }
        noteIdle()
        refill()
    }

    private func wait(for id: LinkID, _ claim: Claim) {
        guard awaited.count < TunnelLimits.awaitedLinks else { return refuse(id, "too many unknown links") }
        awaited[id] = claim
        loop.assumeIsolated().scheduleTask(in: TimeAmount(tunnel.environment.poolGetTimeout)) {
            guard !self.hasEnded, self.awaited.removeValue(forKey: id) != nil else { return }
            self.control.missedLink()
            self.tunnel.log.write(.error, "The peer named link \(id), which never came")
            self.refuse(id, "the link never came")
        }
    }

    private func use(_ link: Link, _ claim: Claim) {
        let session = self
        exit.serve(link, claim, framed: terms.extensions.contains(.datagramFrames)) { why in
            session.refuse(link.id, why)
        }
    }

    private func refuse(_ id: LinkID, _ why: String) {
        guard !hasEnded, terms.extensions.contains(.refuse) else { return }
        send(.refuse(id: id, why: why))
    }
}
