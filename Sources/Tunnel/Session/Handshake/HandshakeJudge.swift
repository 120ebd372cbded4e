import Config
import NIOCore

/// Decides which requests a server lets in: by the tunnel's key, its policy, and what an address has
/// failed at before.
struct HandshakeJudge {
    /// What a server knows of its clients.
    struct Knowledge: Hashable {
        /// One of them has been sealed before.
        var isPeerSealed = false
        /// One has a sealed session now, which stays also after its peer was forgotten.
        var hasSealedSession = false
    }

    enum Verdict: Hashable {
        /// A client of v1.14 has the key; one that asks for the sealed handshake may prove it.
        case admitted
        /// `why` is for the log, nil where nobody has failed; `report` is what the operator has to know.
        case refused(HandshakeRefusal, why: String? = nil, report: TunnelReason? = nil)
    }

    private let policy: HandshakePolicy
    private let token: HandshakeToken
    private let place: HandshakePlace
    private var throttle = HandshakeThrottle()
    private var tickets = TicketBook()

    init(policy: HandshakePolicy, tunnelKey: String, place: HandshakePlace = HandshakePlace()) {
        self.place = place
        self.policy = policy
        token = HandshakeToken(tunnelKey: tunnelKey)
    }

    /// Whether it is remembered for good that a client has been sealed.
    var remembers: Bool { policy == .auto }

    /// A request for the sealed handshake that is admitted counts as a failure until `proven`: with this
    /// end's proof its client can try one key.
    mutating func judge(
        _ request: HandshakeRequest,
        from address: String,
        _ knowledge: Knowledge,
        now: NIODeadline
    ) -> Verdict {
        let isKnown = request.sealedOffer?.ticket.map { tickets.take($0) } ?? false
        guard isKnown || throttle.admits(address, now: now) else {
            return .refused(.tooManyAttempts, why: "too many failed handshakes")
        }
        if request.sealedOffer != nil {
            // As a v1.14 server answers, which is no guess: the client showed no token.
            guard policy != .compatible else { return .refused(.unauthorized) }
            throttle.failed(address, now: now)
            return place.problem(with: request).map { .refused($0, why: Self.answered($0)) } ?? .admitted
        }
        if let problem = request.problem(token: token, at: place) {
            throttle.failed(address, now: now)
            let report: TunnelReason? = problem == .unauthorized ? .authFailed : nil
            return .refused(problem, why: Self.answered(problem), report: report)
        }
        guard !takesPlain(knowledge) else { return .admitted }
        // A right token is answered as a wrong one.
        throttle.failed(address, now: now)
        return .refused(.unauthorized, why: "it takes the handshake of v1.14 only", report: .peerDowngraded)
    }

    /// A client from this address has shown a wrong key elsewhere.
    mutating func failed(_ address: String, now: NIODeadline = .now()) {
        throttle.failed(address, now: now)
    }

    /// The client has proven the key.
    mutating func proven(_ address: String) {
        throttle.succeeded(address)
    }

    /// A session has begun whose client may show these.
    mutating func issue(_ tickets: [String]) {
        self.tickets.issue(tickets)
    }

    /// Whether the client has the key.
    func hasToken(_ request: HandshakeRequest) -> Bool {
        request.problem(token: token, at: place) == nil
    }

    /// Whether requests of this address are judged at all.
    func admits(_ address: String, now: NIODeadline) -> Bool { throttle.admits(address, now: now) }

    /// Whether clients may show the key as those of v1.14 do.
    func takesPlain(_ knowledge: Knowledge) -> Bool {
        switch policy {
        case .compatible: true
        case .sealed: false
        case .auto: !knowledge.isPeerSealed && !knowledge.hasSealedSession
        }
    }

    private static func answered(_ refusal: HandshakeRefusal) -> String {
        "handshake answered \(refusal.status)"
    }
}
