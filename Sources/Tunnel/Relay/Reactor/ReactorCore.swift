import CLinux
import Glibc

/// Moves bytes between pairs of plain TCP sockets, on one thread, with one `epoll`.
///
/// Each socket is registered once, edge-triggered. `RelayFlow` decides what is done; this does it.
/// Nothing here allocates, locks or logs for an event. Every event names its pair by a token, so
/// that one that was already waiting when its pair ended finds nothing.
///
/// Its callers are on the reactor's thread; other threads go through `Reactor`.
final class ReactorCore {
    private static let eventsPerWait = 256
    static let socketEvents =
        EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLPRI.rawValue | EPOLLET.rawValue

    /// Which of its group's it is.
    let index: Int
    private let poll: EventPoll
    private(set) var listeners: ReactorListeners
    // The following are shared with the other parts of this type, and with nothing else.
    var slots = RelaySlots()
    var wheel: TimingWheel
    var bytes: RelayBytes
    /// Pairs that have had a whole turn, and wait for their next.
    var queue: [RelayToken] = []
    var due: [Int32] = []
    private let events: UnsafeMutablePointer<epoll_event>
    /// Milliseconds of the monotonic clock, as of the last wait.
    private(set) var now: UInt64

    /// `wakeUp` is an event descriptor whose signal ends a wait, `pipes` how many pipes it may hold.
    ///
    /// Throws `SystemError` where the system has no `epoll` for it.
    init(index: Int = 0, wakeUp: Int32, pipes: Int) throws(SystemError) {
        self.index = index
        poll = try EventPoll()
        listeners = ReactorListeners(poll)
        now = Self.milliseconds()
        wheel = TimingWheel(now: now)
        bytes = RelayBytes(pipes: pipes)
        events = .allocate(capacity: Self.eventsPerWait)
        guard poll.add(wakeUp, EPOLLIN.rawValue, EventNumber.wakeUp) else { throw SystemError(errno) }
    }

    deinit {
        for token in slots.tokens { end(token) }
        bytes.deallocate()
        slots.deallocate()
        events.deallocate()
        poll.close()
    }

    /// Pairs that are open.
    var count: Int { slots.count }

    /// Accepts connections of a listening socket, which stays the caller's.
    ///
    /// Several reactors may have the same one: a connection wakes one of them.
    func listen(_ descriptor: Int32, _ acceptor: any ReactorAcceptor) { listeners.add(descriptor, acceptor) }

    /// When this returns, nothing here knows the socket any more.
    func stopListening(_ descriptor: Int32) { listeners.remove(descriptor) }

    func watch(_ descriptor: Int32, _ token: RelayToken, isFar: Bool) -> Bool {
        poll.add(descriptor, Self.socketEvents, EventNumber.end(token, isFar: isFar))
    }

    /// Whose pair this is, if it is open.
    func owner(of token: RelayToken) -> (any RelayOwner)? { slots[token]?.pointee.owner }

    /// Of the pair's near socket, if it is open; for looking at it only.
    func nearDescriptor(of token: RelayToken) -> Int32? {
        slots[token].map { _ in slots.ends(token.index)[0].descriptor }
    }

    private static func milliseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }

    // MARK: The loop

    /// Waits for events and deals with them; true when the reactor's door has something.
    ///
    /// `limit` is how long it waits at most, in milliseconds; nil: until something happens.
    func turn(limit: UInt64? = nil) -> Bool {
        var isWoken = false
        let count = epoll_wait(poll.descriptor, events, Int32(Self.eventsPerWait), timeout(limit))
        now = Self.milliseconds()
        for index in 0..<max(0, Int(count)) {
            let event = events[index]
            switch EventNumber.kind(event.data.u64) {
            case .wakeUp: isWoken = true
            case .listener(let descriptor): listeners.accept(descriptor, self)
            case .end(let token, let isFar):
                if let slot = slots[token] { happened(event.events, token, slot, isFar: isFar) }
            }
        }
        takeTurns()
        listeners.resume(now: now)
        fireTimers()
        return isWoken
    }

    private func timeout(_ limit: UInt64?) -> Int32 {
        if !queue.isEmpty { return 0 }
        let resumption = listeners.nextResumption.map { max($0, now) - now }
        let waits = [limit, wheel.wait(now: now), resumption]
        var least: UInt64?
        for case let wait? in waits { least = min(least ?? wait, wait) }
        return least.map { Int32(clamping: $0) } ?? -1
    }

    private func happened(
        _ kinds: UInt32,
        _ token: RelayToken,
        _ slot: UnsafeMutablePointer<RelaySlot>,
        isFar: Bool
    ) {
        let ends = slots.ends(token.index)
        let (end, other) = isFar ? (ends + 1, ends) : (ends, ends + 1)
        let isBroken = kinds & EPOLLERR.rawValue != 0
        note(kinds, end, other)
        guard slot.pointee.phase == .relaying else {
            if isFar { return connected(isBroken: isBroken, token, slot) }
            if isBroken { drop(token, slot) }
            return
        }
        if isBroken { vanished(slot, other) }
        advance(token, slot)
    }

    /// Notes for both directions what a socket said.
    private func note(_ kinds: UInt32, _ end: UnsafeMutablePointer<PairEnd>, _ other: UnsafeMutablePointer<PairEnd>) {
        let last = EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue | EPOLLPRI.rawValue
        if kinds & (EPOLLIN.rawValue | last) != 0 {
            end.pointee.flow.sourceIsReadable(mayHaveEnded: kinds & last != 0)
        }
        if kinds & EPOLLOUT.rawValue != 0 { other.pointee.flow.sinkIsWritable() }
    }

    private func takeTurns() {
        guard !queue.isEmpty else { return }
        let turns = queue
        queue.removeAll(keepingCapacity: true)
        for token in turns {
            guard let slot = slots[token] else { continue }
            slot.pointee.isQueued = false
            advance(token, slot)
        }
    }
}
