import Config
import NIOCore

/// The control link: what comes over it, and what is done about it.
extension Session {
    func takeControl(_ carrier: LinkChannel, early: ByteBuffer) throws {
        guard !hasControl else { return carrier.channel.closeAtOnce() }
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
        answerProbes(true)
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
        for id in pool.trim(count, now: .now()) { links.removeValue(forKey: id)?.close() }
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
            case .trim(let count): if terms.extensions.contains(.trim) { trim(count) }
            case .roundTrip(let time): tunnel.counters.recordPing(milliseconds: Int(time.nanoseconds / 1_000_000))
            case .fail(let error): end(error)
            }
        }
    }

    /// A peer's `verify` may overtake the link it names, which is waited for then.
    func compare(_ id: LinkID, _ fingerprint: String) {
        guard let own = pool.fingerprint(of: id) else {
            awaitedComparison = (id, fingerprint)
            loop.assumeIsolated().scheduleTask(in: TimeAmount(tunnel.environment.poolGetTimeout)) {
                guard !self.hasEnded, self.awaitedComparison != nil else { return }
                self.perform(self.control.verified(fingerprint, against: nil))
            }
            return
        }
        awaitedComparison = nil
        // The peer closes the link it names, which may be seen later than its signal: no user is to get it.
        drop(id)
        noteIdle()
        if own == fingerprint { tunnel.log.write(.info, "TLS certificate fingerprint verified: \(fingerprint)") }
        perform(control.verified(fingerprint, against: own))
        sendVerifyIfDue(atLeast: 1)
        refill()
    }

    /// Sends our `verify` once, naming a link that the peer will not name: we wait a moment until there is a choice.
    func sendVerifyIfDue(atLeast count: Int = 3) {
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
