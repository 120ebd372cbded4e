package import Config
package import NIOCore

/// What to do about the control link's signals and silences, for one session; decisions only.
///
/// Source of the rules: NodePass v1.14's health loop, flush and fingerprint verification.
package struct ControlState: Sendable {
    package enum Effect: Sendable, Hashable {
        case send(Signal)
        /// The peer took this link for a user: dial the target for it.
        case dialTarget(TransportProtocol, id: LinkID, user: String)
        /// Compare this with the certificate on link `id`, then call `verified`.
        case compare(id: LinkID, fingerprint: String)
        /// Users may come in.
        case openGate
        case closeIdleLinks
        /// The peer could not connect this link to a target.
        case refused(id: LinkID, why: String)
        case trim(count: Int)
        case roundTrip(TimeAmount)
        /// The server shows this certificate from now on.
        case learn(fingerprint: String)
        /// Call `pulse` after this time.
        case pulse(after: TimeAmount)
        /// The peer does not answer: look for another way to it, and go on listening.
        case doubt
        /// It has answered after all.
        case trust
        case fail(TunnelError)
    }

    /// What the two ends do about the certificate's fingerprint.
    package enum Verification: Sendable, Hashable {
        /// No TLS.
        case none
        /// Each sends the other what it has seen; users wait until that has been compared.
        case mutual
        /// A v1.14 server with certificate files, which the CA has vouched for. It cannot compare,
        /// and dies of a `verify`.
        case byAuthority
    }

    private let isEntry: Bool
    private let verification: Verification
    private let reportInterval: TimeAmount
    /// A client of a server of ours, which takes a new session in the place of its former one.
    private let isWatchful: Bool
    /// What was asked since the peer was last heard has been waiting since then.
    private var askedAt: NIODeadline?
    private var lastUser: NIODeadline?
    private var isPulsing = false
    private var isDoubted = false
    private var lastHeard: NIODeadline
    private var pingSent: NIODeadline?
    private var hasSentVerify = false
    private var hasSeenVerify = false
    /// Our own `verify` has to be sent.
    package private(set) var owesVerify: Bool
    private var badLines = 0
    /// Links the peer named and we never found, since the last flush.
    private var unknownLinks = 0
    package private(set) var isGateOpen: Bool

    package init(
        isEntry: Bool,
        verification: Verification,
        reportInterval: TimeAmount,
        isWatchful: Bool = false,
        now: NIODeadline
    ) {
        self.isEntry = isEntry
        self.isWatchful = isWatchful
        self.verification = verification
        self.reportInterval = reportInterval
        lastHeard = now
        isGateOpen = verification != .mutual
        owesVerify = verification == .mutual
    }

    /// The first beat: a ping at once.
    package mutating func start(now: NIODeadline) -> [Effect] {
        lastHeard = now
        return ping(now)
    }

    /// One report interval has passed, with so many links idle.
    package mutating func beat(idle: Int, now: NIODeadline) -> [Effect] {
        guard now - lastHeard < reportInterval * 3 else {
            let silence = Double((now - lastHeard).nanoseconds) / 1e9
            let text = (silence * 10).rounded() / 10
            return [.fail(TunnelError(.peerUnreachable, "the peer has been silent for \(text) s"))]
        }
        // The ends disagree about which links there are, mostly because a middlebox has dropped
        // some without a word. Starting over with an empty pool costs less than users that wait in
        // vain.
        guard unknownLinks <= idle / 2 else {
            unknownLinks = 0
            return [.send(.flush), .closeIdleLinks]
        }
        return ping(now)
    }

    private mutating func ping(_ now: NIODeadline) -> [Effect] {
        // A ping that was never answered is forgotten: its time would be that of the outage.
        pingSent = now
        askedAt = askedAt ?? now
        return [.send(.ping)] + nextPulse()
    }

    /// A user of this session has come.
    ///
    /// While users come, an outage is noticed within two pulses; otherwise with the next beat.
    package mutating func noteUser(now: NIODeadline) -> [Effect] {
        lastUser = now
        return nextPulse()
    }

    private mutating func nextPulse(after delay: Duration = TunnelLimits.controlPulse) -> [Effect] {
        guard isWatchful, !isPulsing else { return [] }
        isPulsing = true
        return [.pulse(after: TimeAmount(delay))]
    }

    /// The time that `pulse(after:)` asked for has passed.
    package mutating func pulse(now: NIODeadline) -> [Effect] {
        isPulsing = false
        if let askedAt {
            let missing = askedAt + TimeAmount(TunnelLimits.controlPulse) - now
            guard missing <= .zero else { return nextPulse(after: .nanoseconds(missing.nanoseconds)) }
            defer { isDoubted = true }
            return isDoubted ? [] : [.doubt]
        }
        guard let lastUser, now - lastUser < TimeAmount(TunnelLimits.controlPulseHold) else { return [] }
        return ping(now)
    }

    private mutating func heard(_ now: NIODeadline) -> [Effect] {
        lastHeard = now
        askedAt = nil
        defer { isDoubted = false }
        return isDoubted ? [.trust] : []
    }

    package mutating func received(_ signal: Signal, now: NIODeadline) -> [Effect] {
        let news = heard(now)
        return news + effects(of: signal, now)
    }

    private mutating func effects(of signal: Signal, _ now: NIODeadline) -> [Effect] {
        badLines = 0
        switch signal {
        case .ping: return [.send(.pong)]
        case .pong:
            // Probes send pings of their own, so there may be more pongs than beats.
            guard let sent = pingSent else { return [] }
            pingSent = nil
            return [.roundTrip(now - sent)]
        case .flush:
            unknownLinks = 0
            return [.closeIdleLinks]
        case .open(let transport, let id, let user):
            return isEntry ? [] : [.dialTarget(transport, id: id, user: user)]
        case .verify(let id, let fingerprint): return verify(id, fingerprint)
        case .refuse(let id, let why): return isEntry ? [.refused(id: id, why: why)] : []
        case .trim(let count): return isEntry && count > 0 ? [.trim(count: count)] : []
        case .certificate(let fingerprint): return [.learn(fingerprint: fingerprint)]
        case .unknown: return []
        }
    }

    private mutating func verify(_ id: LinkID, _ fingerprint: String?) -> [Effect] {
        hasSeenVerify = true
        switch (verification, fingerprint) {
        case (.none, _): return []
        case (_, .some(let fingerprint)):
            // A server that compares after all wants ours too.
            owesVerify = owesVerify || !hasSentVerify
            return [.compare(id: id, fingerprint: fingerprint)]
        case (.byAuthority, .none): return []
        case (.mutual, .none):
            return [.fail(TunnelError(.tlsFingerprintMismatch, "the peer sent no certificate fingerprint"))]
        }
    }

    /// A v1.14 server with certificate files takes a link for a `verify` while users are served
    /// already; it dies when it finds none.
    package var awaitsPeersPick: Bool { verification == .byAuthority && !hasSeenVerify }

    /// The answer to `compare`: what link `id` really has, nil when it was never seen.
    package mutating func verified(_ fingerprint: String, against own: String?) -> [Effect] {
        guard let own else {
            // Its CA has vouched for this server, and v1.14 names links that it took for itself.
            if verification == .byAuthority { return [] }
            return [.fail(TunnelError(.tlsFingerprintMismatch, "the peer verified a link that was never seen here"))]
        }
        guard fingerprint == own else {
            let message =
                "the peer sees certificate \(fingerprint), this end \(own); the connection is intercepted between them"
            return [.fail(TunnelError(.tlsFingerprintMismatch, message))]
        }
        // An exit has no gate: the entry's users wait for the entry's own comparison.
        guard !isGateOpen else { return [] }
        isGateOpen = true
        return isEntry ? [.openGate] : []
    }

    /// True once: when our own `verify` is due.
    package mutating func takeOwnVerify() -> Bool {
        guard owesVerify else { return false }
        owesVerify = false
        hasSentVerify = true
        return true
    }

    /// A line that is not a signal is skipped, as NodePass does, but only so often in a row.
    package mutating func receivedGarbage(now: NIODeadline) -> [Effect] {
        let news = heard(now)
        badLines += 1
        guard badLines > TunnelLimits.badSignalLines else { return news }
        return [.fail(TunnelError(.peerUnreachable, "the control link carries garbage"))]
    }

    /// A link that the peer named did not appear in time.
    package mutating func missedLink() {
        unknownLinks += 1
    }
}
