import Config
import DequeModule
package import NIOCore

/// Which links of a session are idle, and how many to have: decisions only, the links themselves
/// are its driver's.
///
/// Both ends keep one. The dialling end asks it how many links to dial; demand decides, not a
/// clock: a taken link is replaced at once, a pool that ran dry doubles, and one that was not
/// needed for a while shrinks back.
package struct PoolState: Sendable {
    package enum Claim: Sendable, Hashable {
        case taken
        /// It was here and has ended before it was used.
        case ended
        /// Not seen yet: the signal has overtaken the link.
        case unknown
    }

    /// Idle links, oldest first; those not in `idleIDs` any more are skipped.
    private var order = Deque<LinkID>()
    private var idleIDs = Set<LinkID>()
    private var ended: [LinkID: NIODeadline] = [:]
    private var fingerprints: [LinkID: String] = [:]
    private var dialling = 0
    private var size: PoolBounds
    private var lowestIdle = 0
    /// Idle links the dialling end wants to have.
    package private(set) var capacity: Int

    package init(size: PoolBounds) {
        self.size = size
        capacity = size.low
    }

    package var idle: Int { idleIDs.count }

    /// Takes new bounds over at once.
    package mutating func resize(_ size: PoolBounds) {
        self.size = size
        capacity = min(max(capacity, size.low), size.high)
    }

    // MARK: Links come and go

    /// A link has its id and waits to be used; false when that id is in use already.
    package mutating func add(_ id: LinkID, fingerprint: String? = nil) -> Bool {
        // A remembered fingerprint means that the id was used a short while ago: a `verify` for the
        // old link must not be compared with the new one's certificate.
        guard fingerprints[id] == nil, idleIDs.insert(id).inserted else { return false }
        // Ids that left out of turn stay in `order` until taking skips them. A pool from which
        // nothing is taken would collect them forever, so they are removed once they are the
        // majority.
        if order.count > 2 * idleIDs.count + 16 { order.removeAll { !idleIDs.contains($0) } }
        order.append(id)
        if let fingerprint { fingerprints[id] = fingerprint }
        return true
    }

    /// The link that has waited longest; the entry's way to use one.
    ///
    /// `spared` links are left, the oldest, for a peer that is about to pick its own oldest; the
    /// newest is taken then.
    package mutating func take(sparing spared: Int = 0, now: NIODeadline) -> LinkID? {
        guard idle > spared else { return nil }
        while let id = spared > 0 ? order.popLast() : order.popFirst() {
            guard idleIDs.remove(id) != nil else { continue }
            noteUse(of: id, now: now)
            return id
        }
        return nil
    }

    /// Idle links to close because there are more than wanted: the oldest, and never the last one.
    package mutating func trim(_ count: Int, now: NIODeadline) -> [LinkID] {
        (0..<max(0, min(count, idle - 1))).compactMap { _ in take(now: now) }
    }

    /// A link to name in our `verify`: neither the oldest nor the newest, which are those a
    /// reference picks.
    package mutating func takeForVerify(now: NIODeadline) -> LinkID? {
        let waiting = order.filter(idleIDs.contains)
        guard !waiting.isEmpty else { return nil }
        let id = waiting[waiting.count / 2]
        end(id, now: now)
        return id
    }

    /// The link the peer's signal named; the exit's way to use one.
    package mutating func claim(_ id: LinkID, now: NIODeadline) -> Claim {
        guard idleIDs.remove(id) != nil else { return ended[id] == nil ? .unknown : .ended }
        noteUse(of: id, now: now)
        return .taken
    }

    /// An idle link is gone; its id and certificate are remembered for a while, because a signal
    /// may still name it.
    package mutating func end(_ id: LinkID, now: NIODeadline) {
        guard idleIDs.remove(id) != nil else { return }
        ended[id] = now + TimeAmount(TunnelLimits.endedLinkMemory)
        lowestIdle = min(lowestIdle, idle)
    }

    /// Every idle link is to be closed: the ids, oldest first.
    package mutating func flush(now: NIODeadline) -> [LinkID] {
        let ids = Array(order.filter(idleIDs.contains))
        for id in ids { end(id, now: now) }
        order.removeAll()
        return ids
    }

    /// The certificate seen on a link that is idle, or was used or ended a short while ago.
    package func fingerprint(of id: LinkID) -> String? { fingerprints[id] }

    package func knows(_ id: LinkID) -> Bool { idleIDs.contains(id) || ended[id] != nil }

    /// A `verify` may name a link that is in use already, so its certificate is remembered for a
    /// while.
    private mutating func noteUse(of id: LinkID, now: NIODeadline) {
        if fingerprints[id] != nil { ended[id] = now + TimeAmount(TunnelLimits.endedLinkMemory) }
        lowestIdle = min(lowestIdle, idle)
        // An empty pool means that the next user waits for a dial: double, so that a burst of any
        // size is caught up with in a few round trips.
        if idle == 0 { capacity = min(capacity * 2, size.high) }
    }

    // MARK: How many

    /// How many dials to begin now, when `waiting` users have no link yet and `parallel` may be under way
    /// at once; counts them as begun.
    package mutating func dials(waiting: Int, parallel: Int = TunnelLimits.parallelLinkDials) -> Int {
        // Users that wait come on top of what is to be idle, or the pool would stay empty behind
        // them.
        let wanted = min(capacity + waiting, size.high) - idle - dialling
        let allowed = min(wanted, parallel - dialling)
        guard allowed > 0 else { return 0 }
        dialling += allowed
        return allowed
    }

    /// A dial that `dials` counted has ended, with a link or without.
    package mutating func dialEnded() {
        dialling -= 1
    }

    /// Forgets what is too old, and shrinks when the last period left links unused; called each
    /// report interval.
    ///
    /// Returns how many idle links are more than wanted.
    package mutating func settle(now: NIODeadline) -> Int {
        let forgotten = ended.filter { $0.value <= now }.keys
        for id in forgotten {
            ended[id] = nil
            fingerprints[id] = nil
        }
        // Links that were idle at the worst moment of the period were not needed in it. Shrinking
        // takes a quarter at a time, so that a burst that repeats each few periods finds most of
        // them again.
        let unused = lowestIdle
        lowestIdle = idle
        if unused > capacity / 2, capacity > size.low { capacity = max(size.low, capacity - max(1, capacity / 4)) }
        return max(0, idle - max(capacity, size.low))
    }
}
