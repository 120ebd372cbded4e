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
    let codec: SignalCodec
    let entrance: LinkEntrance
    let exit: LinkExit
    let dialer: (any LinkDialer)?
    let began: NIODeadline
    var onEvent: ((Event) -> Void)?

    var pool: PoolState
    var control: ControlState
    var controlHandler: ControlHandler?
    private var proofs = LinkProofWindow()
    private var forgedProofs = ThinnedCount()
    var links: [LinkID: Link] = [:]
    /// Links whose user has sent all it will before the signal came; the signal may still name them.
    var fading: [LinkID: Link] = [:]
    /// Links the peer has named that are not here yet.
    var awaited: [LinkID: Claim] = [:]
    /// Links in use by users of this entry, to be closed when the exit refuses them.
    var used: [LinkID: any Channel] = [:]
    /// A `verify` that named a link which is not here yet.
    var awaitedComparison: (id: LinkID, fingerprint: String)?
    private var nextProof: UInt64 = 0
    var hasControl = false
    var isEstablished = false
    var hasEnded = false
    var heartbeat: Scheduled<Void>?
    var controlDeadline: Scheduled<Void>?
    var redial: Scheduled<Void>?
    var failedDials = 0
    private var probes: [Int: (Bool) -> Void] = [:]
    private var nextProbe = 0

    /// `began` is when the handshake started; `dialer` is the client's.
    init(
        terms: HandshakeTerms,
        side: SessionSide,
        peer: String,
        tunnelKey: String,
        tunnel: TunnelContext,
        dialer: (any LinkDialer)?,
        began: NIODeadline,
        onEvent: @escaping (Event) -> Void
    ) {
        self.terms = terms
        self.side = side
        self.peer = peer
        self.tunnel = tunnel
        entrance = tunnel.entrance
        exit = tunnel.exit
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
        answerProbes(false)
    }

    /// True while users can be given links.
    var serves: Bool { isEstablished && !hasEnded }

    /// Asks whether the peer still answers, within a time limit; one that has no control link yet has as long to get it.
    func probe(_ answer: @escaping (Bool) -> Void) {
        guard !hasEnded else { return answer(false) }
        let number = nextProbe
        nextProbe += 1
        probes[number] = answer
        controlHandler?.send(.ping)
        loop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.ghostPatience)) {
            self.probes.removeValue(forKey: number)?(false)
        }
    }

    func answerProbes(_ isAlive: Bool) {
        let waiting = probes.values
        probes = [:]
        for answer in waiting { answer(isAlive) }
    }

    // MARK: Links arrive

    /// The server's side: a channel that a transport delivered becomes a link, or is closed; `proven` is called when it
    /// is the peer's.
    func handshake(_ carrier: LinkChannel, proven: @escaping () -> Void) {
        guard let secret, terms.extensions.contains(.linkProof) else {
            proven()
            return assignID(carrier, early: ByteBuffer())
        }
        let reader = ExactReader(
            length: LinkProof.lengthBytes,
            within: TimeAmount(tunnel.environment.handshakeTimeout)
        ) { result in
            guard case .success((let bytes, let rest)) = result else { return }
            guard let proof = LinkProof(bytes), proof.isMade(with: secret),
                self.proofs.admit(proof.number)
            else {
                self.tunnel.counters.countRejected()
                if let count = self.forgedProofs.next() {
                    self.tunnel.log.write(
                        .warn,
                        "Link without proof of the tunnel key from \(carrier.peerName) closed (\(count) so far)"
                    )
                }
                return carrier.channel.closeAtOnce()
            }
            proven()
            self.assignID(carrier, early: rest)
        }
        try? carrier.channel.pipeline.syncOperations.addHandler(reader)
    }

    private func assignID(_ carrier: LinkChannel, early: ByteBuffer) {
        guard !hasEnded, pool.idle < terms.max else { return carrier.channel.closeAtOnce() }
        var random = SystemRandomNumberGenerator()
        var id = LinkID.control
        if hasControl {
            repeat { id = LinkID(.random(in: 1 ... .max, using: &random)) } while pool.knows(id) || used[id] != nil
        }
        carrier.channel.writeAndFlush(ByteBuffer(integer: id.value), promise: nil)
        admit(id, carrier, early: early)
    }

    /// The client's side: reads the id the server gives the channel.
    func readID(of carrier: LinkChannel) {
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
            carrier.channel.closeAtOnce()
        }
    }

    private func admit(_ id: LinkID, _ carrier: LinkChannel, early: ByteBuffer) {
        guard !hasEnded else { return carrier.channel.closeAtOnce() }
        do {
            if id == .control {
                try takeControl(carrier, early: early)
            } else {
                try takeIdle(id, carrier, early: early)
            }
        } catch {
            carrier.channel.closeAtOnce()
        }
    }

    private func takeIdle(_ id: LinkID, _ carrier: LinkChannel, early: ByteBuffer) throws {
        guard pool.add(id, fingerprint: carrier.fingerprint) else { return carrier.channel.closeAtOnce() }
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

    func drop(_ id: LinkID) {
        pool.end(id, now: .now())
        links.removeValue(forKey: id)?.close()
    }

    func noteIdle() {
        tunnel.counters.recordIdle(pool.idle)
    }
}

extension LinkChannel {
    var peerName: String { channel.remoteAddress?.ipAddress ?? "unknown" }
}
