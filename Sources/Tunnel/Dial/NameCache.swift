import NIOCore

/// What is known of host names and when to look them up again: decisions only.
///
/// A name that is known is used at once, also while it is looked up again, because a name server
/// that is slow must not be slow for users. Known addresses that do not answer are doubted, and
/// then the next user waits for a fresh look-up. Addresses are never forgotten because a look-up
/// failed.
struct NameCache: Sendable {
    enum Answer: Sendable, Equatable {
        /// Use these; where `lookUp` is set, look the name up in the background too.
        case addresses([SocketAddress], lookUp: Bool)
        /// Wait for a look-up, which has to be started where `lookUp` is set.
        case wait(lookUp: Bool)
        /// The last look-up failed a moment ago, for this reason.
        case failed(String)
    }

    private struct Entry {
        var addresses: [SocketAddress] = []
        var answered = NIODeadline.uptimeNanoseconds(0)
        var asked = NIODeadline.uptimeNanoseconds(0)
        var isAsking = false
        var isDoubted = false
        var failure: (problem: String, until: NIODeadline)?
    }

    private var entries: [String: Entry] = [:]

    init() {}

    /// What to do for someone who needs the addresses of `host`, not older than `ttl`; zero asks
    /// every time.
    ///
    /// A name is looked up at most once a second, whatever `ttl` says.
    mutating func ask(_ host: String, ttl: TimeAmount, now: NIODeadline) -> Answer {
        var entry = entries[host] ?? Entry()
        let isKnown = !entry.addresses.isEmpty
        if isKnown, !entry.isDoubted, now - entry.answered < ttl { return .addresses(entry.addresses, lookUp: false) }
        let mayUseOld = isKnown && !entry.isDoubted && ttl > .zero
        if entry.isAsking { return mayUseOld ? .addresses(entry.addresses, lookUp: false) : .wait(lookUp: false) }
        if let failure = entry.failure, failure.until > now {
            return isKnown ? .addresses(entry.addresses, lookUp: false) : .failed(failure.problem)
        }
        if isKnown, now - entry.asked < TimeAmount(TunnelLimits.lookUpInterval) {
            return .addresses(entry.addresses, lookUp: false)
        }
        entry.isAsking = true
        entry.asked = now
        if entries[host] == nil { makeRoom() }
        entries[host] = entry
        return mayUseOld ? .addresses(entry.addresses, lookUp: true) : .wait(lookUp: true)
    }

    /// A look-up has ended; without an address it has failed because of `problem`.
    mutating func answered(_ host: String, _ addresses: [SocketAddress], problem: String, now: NIODeadline) {
        guard var entry = entries[host] else { return }
        entry.isAsking = false
        if addresses.isEmpty {
            entry.failure = (problem, now + TimeAmount(TunnelLimits.failedLookUpHold))
        } else {
            entry.addresses = addresses
            entry.answered = now
            entry.isDoubted = false
            entry.failure = nil
        }
        entries[host] = entry
    }

    /// Nothing answered at the addresses that are known.
    mutating func doubt(_ host: String) {
        entries[host]?.isDoubted = true
    }

    /// Someone wants `host` looked up again, whatever is known: a failure is not taken as the answer
    /// any longer, either.
    mutating func forget(_ host: String) {
        guard var entry = entries[host] else { return }
        entry.isDoubted = true
        if let failure = entry.failure {
            let next = entry.asked + TimeAmount(TunnelLimits.lookUpInterval)
            entry.failure = (failure.problem, min(failure.until, next))
        }
        entries[host] = entry
    }

    /// The machine's network has changed: what failed may work now.
    mutating func forgetFailures() {
        for (host, entry) in entries where entry.failure != nil { forget(host) }
    }

    mutating func forgetAll() {
        for host in entries.keys { forget(host) }
    }

    /// What was known last, however old.
    func known(_ host: String) -> [SocketAddress] { entries[host]?.addresses ?? [] }

    /// Whether the last look-up failed.
    func isFailing(_ host: String) -> Bool { entries[host]?.failure != nil }

    private mutating func makeRoom() {
        guard entries.count >= TunnelLimits.resolverEntries else { return }
        let oldest = entries.filter { !$0.value.isAsking }.min { $0.value.answered < $1.value.answered }
        if let oldest { entries[oldest.key] = nil }
    }
}
