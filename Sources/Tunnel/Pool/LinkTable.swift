import Config
import NIOCore

/// What the peer's signal says a link is for.
struct LinkClaim: Sendable, Hashable {
    let transport: TransportProtocol
    let user: String
}

/// The links of one session that no user has yet, and what the peer's signals say about those that
/// are not here.
///
/// Decisions only: `PoolState` decides by ids, this keeps the link that belongs to each of them and
/// hands it out. The caller that takes a link out of the table owns it, and uses or closes it.
struct LinkTable<Held> {
    enum ClaimResult {
        /// Dial the target for this link.
        case use(Held)
        /// The signal has overtaken the link, which may still come.
        case await
        case refuse(why: String)
    }

    private(set) var pool: PoolState
    private var idle: [LinkID: Held] = [:]
    /// Links whose user has sent all it will before the signal came.
    ///
    /// They are not idle any more, but the signal that is on its way may name them.
    private var inputEnded: [LinkID: Held] = [:]
    private var awaited: [LinkID: LinkClaim] = [:]

    init(size: PoolBounds) {
        pool = PoolState(size: size)
    }

    // MARK: Links come and go

    /// False when the id is taken; the caller closes the channel then.
    mutating func reserve(_ id: LinkID, fingerprint: String?) -> Bool {
        pool.add(id, fingerprint: fingerprint)
    }

    /// The link of an id that has just been reserved.
    mutating func add(_ id: LinkID, _ link: Held) {
        idle[id] = link
    }

    /// What the peer asked of this link before it came.
    mutating func takeClaim(of id: LinkID) -> LinkClaim? {
        awaited.removeValue(forKey: id)
    }

    /// The link has ended: what is left of it, to be closed.
    mutating func end(_ id: LinkID, now: NIODeadline) -> Held? {
        pool.end(id, now: now)
        return idle.removeValue(forKey: id) ?? takeInputEnded(id)
    }

    /// The user will send nothing more; false when the link is not idle.
    mutating func endInput(of id: LinkID, now: NIODeadline) -> Bool {
        guard let link = idle.removeValue(forKey: id) else { return false }
        pool.end(id, now: now)
        inputEnded[id] = link
        return true
    }

    /// No signal has named the link in time: it is to be closed.
    mutating func takeInputEnded(_ id: LinkID) -> Held? {
        inputEnded.removeValue(forKey: id)
    }

    /// Everything that is here, to be closed; no claim is awaited any more.
    mutating func removeAll() -> [Held] {
        defer { (idle, inputEnded, awaited) = ([:], [:], [:]) }
        return Array(idle.values) + Array(inputEnded.values)
    }

    // MARK: Users

    /// The entry's side: the oldest idle link that can be used, less those spared for the peer.
    mutating func take(sparing spared: Int, now: NIODeadline, where isUsable: (Held) -> Bool) -> (LinkID, Held)? {
        while let id = pool.take(sparing: spared, now: now) {
            if let link = idle.removeValue(forKey: id), isUsable(link) { return (id, link) }
        }
        return nil
    }

    /// The exit's side: the peer has taken this link for a user.
    mutating func claim(_ id: LinkID, _ claim: LinkClaim, now: NIODeadline) -> ClaimResult? {
        switch pool.claim(id, now: now) {
        case .taken: return idle.removeValue(forKey: id).map { .use($0) }
        // Where nothing is left of it, the user has gone too: the entry's end of the link has
        // closed.
        case .ended: return takeInputEnded(id).map { .use($0) }
        case .unknown:
            guard awaited.count < TunnelLimits.awaitedLinks else { return .refuse(why: "too many unknown links") }
            awaited[id] = claim
            return .await
        }
    }

    // MARK: The pool as a whole

    /// Idle links to close because there are more than wanted.
    mutating func trim(_ count: Int, now: NIODeadline) -> [Held] {
        pool.trim(count, now: now).compactMap { idle.removeValue(forKey: $0) }
    }

    /// Every idle link, to be closed.
    mutating func flush(now: NIODeadline) -> [Held] {
        pool.flush(now: now).compactMap { idle.removeValue(forKey: $0) }
    }

    /// The link to name in our `verify`, to be closed after it.
    mutating func takeForVerify(now: NIODeadline) -> (LinkID, Held)? {
        guard let id = pool.takeForVerify(now: now), let link = idle.removeValue(forKey: id) else { return nil }
        return (id, link)
    }

    /// How many links to dial now for `waiting` users, `parallel` at once; counts them as begun.
    mutating func dials(size: PoolBounds, waiting: Int, parallel: Int) -> Int {
        pool.resize(size)
        return pool.dials(waiting: waiting, parallel: parallel)
    }

    mutating func dialEnded() {
        pool.dialEnded()
    }

    /// A report interval has passed: how many idle links are more than wanted.
    mutating func settle(now: NIODeadline) -> Int {
        pool.settle(now: now)
    }
}
