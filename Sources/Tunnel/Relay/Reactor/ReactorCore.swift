import CLinux
import Config
import Glibc
import NIOCore

/// What has a pair of sockets relayed; called on the reactor's thread.
protocol RelayOwner: AnyObject {
    /// The far socket is connected, or `error` is the number of what went wrong: then the owner
    /// dials another or ends the pair.
    func dialEnded(_ error: Int32, _ pair: RelayToken, _ core: ReactorCore)
    /// Bytes have been read from the near socket, or from the far one.
    func moved(_ bytes: Int, fromNear: Bool)
    /// Both sockets are closed, and the token is worth nothing any more.
    func ended()
}

/// What accepts connections; called on the reactor's thread.
protocol ReactorAcceptor: AnyObject {
    /// Takes the descriptor over. False when none more should come for a while.
    func accepted(_ descriptor: Int32, from address: SocketBytes, _ core: ReactorCore) -> Bool
    /// The system would not accept: the number of why.
    func acceptFailed(_ error: Int32)
}

/// How long a pair may stay as it is; all in milliseconds.
struct RelayTerms {
    /// Nothing moves.
    var idle: UInt64?
    /// The same, once one direction has ended.
    var halfClosedIdle: UInt64 = .max
    /// One side has vanished, and the other takes what was read from it.
    var lingerAfterReset: UInt64 = 0
    /// The same, when the pair is cut.
    var lingerAfterCut: UInt64 = 0
    /// From a write until it is looked whether the peer takes bytes at all; nil: it is not.
    var flightCheck: UInt64?
    /// How long a peer may owe an acknowledgement.
    var patience: UInt64 = 0
}

extension RelayTerms {
    /// Of a tunnel's users; `read` is zero where it has no limit.
    init(read: Duration, _ keepAlive: KeepAlive?) {
        self.init(
            idle: read > .zero ? read.wholeMilliseconds : nil,
            halfClosedIdle: TunnelLimits.halfClosedIdle.wholeMilliseconds,
            lingerAfterReset: TunnelLimits.lingerAfterReset.wholeMilliseconds,
            lingerAfterCut: TunnelLimits.lingerAfterCut.wholeMilliseconds,
            flightCheck: keepAlive.map { ($0.interval * 2).wholeMilliseconds },
            patience: keepAlive?.patience.wholeMilliseconds ?? 0
        )
    }
}

extension Duration {
    fileprivate var wholeMilliseconds: UInt64 { UInt64(max(0, TimeAmount(self).nanoseconds / 1_000_000)) }
}

/// Moves bytes between pairs of plain TCP sockets, on one thread, with one `epoll`.
///
/// Each socket is registered once, edge-triggered. `RelayFlow` decides what is done; this does it.
/// Nothing here allocates, locks or logs for an event. Every event names its pair by a token, so
/// that one that was already waiting when its pair ended finds nothing.
///
/// Whoever calls is on the reactor's thread; `Reactor` is the door for everybody else.
final class ReactorCore {
    /// Steps of one direction before others get their turn.
    private static let stepsPerTurn = 16
    private static let eventsPerWait = 256
    static let scratchBytes = 64 * 1024
    /// Connections that a listener accepts in a row before others get their turn.
    private static let acceptBatch = 16
    /// A listener that may not accept, or could not, accepts nothing for this long.
    private static let acceptPause: UInt64 = 100
    private static let socketEvents =
        EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLPRI.rawValue | EPOLLET.rawValue

    /// Which of its group's it is.
    let index: Int
    private let poll: Int32
    private var slots = RelaySlots()
    private var wheel: TimingWheel
    private var bytes: RelayBytes
    private var queue: [RelayToken] = []
    private var due: [Int32] = []
    private var listeners: [Int32: Listening] = [:]
    private let events: UnsafeMutablePointer<epoll_event>
    /// Milliseconds of the monotonic clock, as of the last wait.
    private(set) var now: UInt64

    private struct Listening {
        let acceptor: any ReactorAcceptor
        /// When it accepts again; nil while it does.
        var resumes: UInt64?
    }

    /// `wakeUp` is an event descriptor whose signal ends a wait, `pipes` how many pipes it may hold.
    ///
    /// Throws `SystemError` where the system has no `epoll` for it.
    init(index: Int = 0, wakeUp: Int32, pipes: Int) throws(SystemError) {
        self.index = index
        poll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard poll >= 0 else { throw SystemError(errno) }
        now = Self.milliseconds()
        wheel = TimingWheel(now: now)
        bytes = RelayBytes(pipes: pipes)
        events = .allocate(capacity: Self.eventsPerWait)
        guard watch(wakeUp, EPOLLIN.rawValue, EventNumber.wakeUp) else { throw SystemError(errno) }
    }

    deinit {
        for token in slots.tokens { end(token) }
        bytes.deallocate()
        slots.deallocate()
        events.deallocate()
        _ = close(poll)
    }

    /// Pairs that are open.
    var count: Int { slots.count }

    @discardableResult
    private func watch(_ descriptor: Int32, _ kinds: UInt32, _ number: UInt64) -> Bool {
        var event = epoll_event(events: kinds, data: epoll_data(u64: number))
        return epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) == 0
    }

    /// Whose pair this is, if it is open.
    func owner(of token: RelayToken) -> (any RelayOwner)? { slots[token]?.pointee.owner }

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
        let count = epoll_wait(poll, events, Int32(Self.eventsPerWait), timeout(limit))
        now = Self.milliseconds()
        for index in 0..<max(0, Int(count)) {
            let event = events[index]
            switch EventNumber.kind(event.data.u64) {
            case .wakeUp: isWoken = true
            case .listener(let descriptor): accept(descriptor)
            case .end(let token, let isFar):
                if let slot = slots[token] { happened(event.events, token, slot, isFar: isFar) }
            }
        }
        takeTurns()
        fireTimers()
        return isWoken
    }

    private func timeout(_ limit: UInt64?) -> Int32 {
        if !queue.isEmpty { return 0 }
        let resumption = nextResumption.map { max($0, now) - now }
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
        if slot.pointee.phase != .relaying, isBroken || isFar {
            return isFar ? connected(end, isBroken: isBroken, token, slot) : drop(token, slot)
        }
        note(kinds, end, other)
        guard slot.pointee.phase == .relaying else { return }
        if isBroken { vanished(slot, end, other) }
        advance(token, slot)
    }

    /// Tells both directions what a socket said.
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

    // MARK: Listening

    /// Accepts connections of a listening socket, which stays the caller's.
    ///
    /// Several reactors may have the same one: a connection wakes one of them.
    func listen(_ descriptor: Int32, _ acceptor: any ReactorAcceptor) {
        listeners[descriptor] = Listening(acceptor: acceptor)
        watchListener(descriptor)
    }

    /// When this returns, nothing here knows the socket any more.
    func stopListening(_ descriptor: Int32) {
        guard let listening = listeners.removeValue(forKey: descriptor), listening.resumes == nil else { return }
        _ = epoll_ctl(poll, EPOLL_CTL_DEL, descriptor, nil)
    }

    private func watchListener(_ descriptor: Int32) {
        watch(descriptor, EPOLLIN.rawValue | EPOLLEXCLUSIVE.rawValue, EventNumber.listener(descriptor))
    }

    private func accept(_ descriptor: Int32) {
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        for _ in 0..<Self.acceptBatch {
            guard let acceptor = listeners[descriptor]?.acceptor else { return }
            var address = SocketBytes()
            let connection = address.receive { accept4(descriptor, $0, $1, flags) }
            if connection >= 0 {
                guard acceptor.accepted(connection, from: address, self) else { return pause(descriptor) }
                continue
            }
            switch errno {
            case EAGAIN: return
            // The connection, or its network, was gone before it was accepted (`accept(2)`).
            case EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, ENONET, EOPNOTSUPP,
                ENOPROTOOPT:
                continue
            default:
                acceptor.acceptFailed(errno)
                return pause(descriptor)
            }
        }
    }

    private func pause(_ descriptor: Int32) {
        guard listeners[descriptor] != nil else { return }
        _ = epoll_ctl(poll, EPOLL_CTL_DEL, descriptor, nil)
        listeners[descriptor]?.resumes = now + Self.acceptPause
        pausedListeners += 1
    }

    private var pausedListeners = 0

    private func resumeListeners() {
        guard pausedListeners > 0 else { return }
        for (descriptor, listening) in listeners {
            guard let resumes = listening.resumes, resumes <= now else { continue }
            listeners[descriptor]?.resumes = nil
            watchListener(descriptor)
        }
        pausedListeners = listeners.values.count { $0.resumes != nil }
    }

    private var nextResumption: UInt64? {
        pausedListeners > 0 ? listeners.values.lazy.compactMap(\.resumes).min() : nil
    }

    // MARK: Pairs

    /// A pair of which only the near socket is there yet, which is closed with the pair.
    ///
    /// Nil when the system cannot watch it; then it is closed already.
    func add(near descriptor: Int32, _ owner: any RelayOwner, _ terms: RelayTerms) -> RelayToken? {
        let token = slots.take()
        let slot = slots[token.index]
        slot.pointee.owner = owner
        slot.pointee.terms = terms
        slots.ends(token.index)[0].descriptor = descriptor
        guard watch(descriptor, Self.socketEvents, EventNumber.end(token, isFar: false)) else {
            drop(token, slot)
            return nil
        }
        return token
    }

    /// Connects the far socket, within `patience` milliseconds; `dialEnded` says what came of it, perhaps before this
    /// returns.
    func dial(
        _ token: RelayToken,
        _ address: SocketBytes,
        from source: SocketBytes? = nil,
        patience: UInt64,
        options: (Int32) -> Void = { _ in }
    ) {
        guard let slot = slots[token], slot.pointee.phase == .waiting, let owner = slot.pointee.owner else { return }
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, kind, 0)
        guard descriptor >= 0 else { return owner.dialEnded(errno, token, self) }
        options(descriptor)
        if let source, source.use({ Glibc.bind(descriptor, $0, $1) }) != 0 {
            return giveUp(descriptor, owner, token)
        }
        let isConnected = address.use { Glibc.connect(descriptor, $0, $1) } == 0
        guard isConnected || errno == EINPROGRESS else { return giveUp(descriptor, owner, token) }
        guard watch(descriptor, Self.socketEvents, EventNumber.end(token, isFar: true)) else {
            return giveUp(descriptor, owner, token)
        }
        slots.ends(token.index)[1].descriptor = descriptor
        slot.pointee.phase = .connecting
        slot.pointee.connectDeadline = now + patience
        schedule(token, slot)
        if isConnected { owner.dialEnded(0, token, self) }
    }

    private func giveUp(_ descriptor: Int32, _ owner: any RelayOwner, _ token: RelayToken) {
        let error = errno
        _ = close(descriptor)
        owner.dialEnded(error, token, self)
    }

    private func connected(
        _ far: UnsafeMutablePointer<PairEnd>,
        isBroken: Bool,
        _ token: RelayToken,
        _ slot: UnsafeMutablePointer<RelaySlot>
    ) {
        guard slot.pointee.phase == .connecting, slot.pointee.connectDeadline != .max else { return }
        var error: Int32 = 0
        if isBroken {
            var length = socklen_t(MemoryLayout<Int32>.size)
            if getsockopt(far.pointee.descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0 { error = errno }
        }
        dialEnded(error, token, slot)
    }

    private func dialEnded(_ error: Int32, _ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        slot.pointee.connectDeadline = .max
        if error != 0 {
            bytes.release(slots.ends(token.index) + 1)
            slot.pointee.phase = .waiting
        }
        slot.pointee.owner?.dialEnded(error, token, self)
    }

    /// Relays a pair whose far socket is connected; `preface` goes to it first.
    func relay(_ token: RelayToken, preface: [UInt8] = []) {
        guard let slot = slots[token], slot.pointee.phase == .connecting else { return }
        slot.pointee.phase = .relaying
        slot.pointee.connectDeadline = .max
        slot.pointee.lastActivity = now
        let ends = slots.ends(token.index)
        if !preface.isEmpty { preface.withUnsafeBytes { bytes.put($0, in: ends) } }
        // A socket that was just connected takes bytes; what the near one said has been noted.
        ends[0].flow.sinkIsWritable()
        advance(token, slot)
    }

    /// Ends a pair; what has been read may still be written for a short time.
    func cut(_ token: RelayToken) {
        guard let slot = slots[token] else { return }
        guard slot.pointee.phase == .relaying else { return drop(token, slot) }
        let ends = slots.ends(token.index)
        _ = shutdown(ends[0].descriptor, Int32(SHUT_RDWR))
        ends[0].flow.sourceBroke()
        bytes.sinkBroke(ends + 1)
        linger(slot.pointee.terms.lingerAfterCut, slot)
        advance(token, slot)
    }

    /// Ends a pair at once.
    func end(_ token: RelayToken) {
        guard let slot = slots[token] else { return }
        drop(token, slot)
    }

    private func drop(_ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        wheel.remove(token.index, slots)
        let ends = slots.ends(token.index)
        bytes.release(ends)
        bytes.release(ends + 1)
        let owner = slot.pointee.owner
        slots.giveBack(token.index)
        owner?.ended()
    }

    // MARK: Relaying

    /// Does all that can be done for a pair now, within its turn.
    private func advance(_ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        let ends = slots.ends(token.index)
        let moved = pump(slot, ends, ends + 1, fromNear: true) + pump(slot, ends + 1, ends, fromNear: false)
        let (up, down) = (ends[0].flow.next, ends[1].flow.next)
        if up == .finished, down == .finished { return drop(token, slot) }
        if moved > 0 {
            slot.pointee.lastActivity = now
            if let check = slot.pointee.terms.flightCheck, slot.pointee.flightCheck == .max {
                slot.pointee.flightCheck = now + check
            }
        }
        if ends[0].flow.hasInputEnded || ends[1].flow.hasInputEnded { slot.pointee.isHalfClosed = true }
        schedule(token, slot)
        let isDone = (up == .wait || up == .finished) && (down == .wait || down == .finished)
        if !isDone, !slot.pointee.isQueued {
            slot.pointee.isQueued = true
            queue.append(token)
        }
    }

    /// Does the steps of one direction; how many bytes were read.
    private func pump(
        _ slot: UnsafeMutablePointer<RelaySlot>,
        _ source: UnsafeMutablePointer<PairEnd>,
        _ sink: UnsafeMutablePointer<PairEnd>,
        fromNear: Bool
    ) -> Int {
        var moved = 0
        for _ in 0..<Self.stepsPerTurn {
            let outcome: RelayBytes.Outcome
            switch source.pointee.flow.next {
            case .wait, .finished: return report(moved, slot, fromNear)
            case .read: outcome = bytes.read(source, sink, &moved)
            case .write: outcome = bytes.write(source, sink)
            case .endOutput:
                _ = shutdown(sink.pointee.descriptor, Int32(SHUT_WR))
                source.pointee.flow.didEndOutput()
                continue
            }
            switch outcome {
            case .fine: continue
            case .sourceBroke:
                source.pointee.flow.sourceBroke()
                vanished(slot, source, sink)
            case .sinkBroke:
                // What it sent before it broke may still be there to read.
                bytes.sinkBroke(source)
                sink.pointee.flow.sourceIsReadable(mayHaveEnded: true)
                slot.pointee.isHalfClosed = true
            }
        }
        return report(moved, slot, fromNear)
    }

    private func report(_ moved: Int, _ slot: UnsafeMutablePointer<RelaySlot>, _ fromNear: Bool) -> Int {
        if moved > 0 { slot.pointee.owner?.moved(moved, fromNear: fromNear) }
        return moved
    }

    /// A side is gone: nothing can be written to it, and what was read from it has a limit to be taken.
    private func vanished(
        _ slot: UnsafeMutablePointer<RelaySlot>,
        _ end: UnsafeMutablePointer<PairEnd>,
        _ other: UnsafeMutablePointer<PairEnd>
    ) {
        bytes.sinkBroke(other)
        linger(slot.pointee.terms.lingerAfterReset, slot)
    }

    private func linger(_ limit: UInt64, _ slot: UnsafeMutablePointer<RelaySlot>) {
        slot.pointee.lingerDeadline = min(slot.pointee.lingerDeadline, now + limit)
    }

    // MARK: Deadlines

    private func idleDeadline(_ slot: UnsafeMutablePointer<RelaySlot>) -> UInt64 {
        guard slot.pointee.phase == .relaying else { return .max }
        let terms = slot.pointee.terms
        let limit = min(terms.idle ?? .max, slot.pointee.isHalfClosed ? terms.halfClosedIdle : .max)
        return limit == .max ? .max : slot.pointee.lastActivity + limit
    }

    /// Sees to it that the slot fires in time; it may fire early, and is scheduled anew then.
    private func schedule(_ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        let times = slot.pointee
        let first = min(times.connectDeadline, times.lingerDeadline, min(times.flightCheck, idleDeadline(slot)))
        guard first != .max, times.timer.place < 0 || first < times.timer.deadline else { return }
        wheel.set(token.index, first, slots)
    }

    private func fireTimers() {
        resumeListeners()
        wheel.takeDue(now: now, slots, into: &due)
        for index in due {
            let slot = slots[index]
            // One that fired before may have ended this one's pair.
            if slot.pointee.phase != .free {
                fire(RelayToken(index: index, generation: slot.pointee.generation), slot)
            }
        }
        due.removeAll(keepingCapacity: true)
    }

    private func fire(_ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        if slot.pointee.connectDeadline <= now {
            dialEnded(ETIMEDOUT, token, slot)
        } else if min(slot.pointee.lingerDeadline, idleDeadline(slot)) <= now {
            return drop(token, slot)
        } else if slot.pointee.flightCheck <= now {
            checkFlight(token, slot)
        }
        if let slot = slots[token] { schedule(token, slot) }
    }

    /// Finds peers that vanished while bytes were on their way to them; see `FlightWatch`.
    private func checkFlight(_ token: RelayToken, _ slot: UnsafeMutablePointer<RelaySlot>) {
        slot.pointee.flightCheck = .max
        let ends = slots.ends(token.index)
        for (end, other) in [(ends, ends + 1), (ends + 1, ends)] {
            guard let flight = PeerFlight(of: end.pointee.descriptor) else { continue }
            let verdict = flight.verdict(.milliseconds(slot.pointee.terms.patience))
            if verdict == .gone {
                end.pointee.flow.sourceBroke()
                vanished(slot, end, other)
                continue
            }
            limit(end, verdict == .inFlight ? slot.pointee.terms.patience : 0)
            if verdict != .delivered, let check = slot.pointee.terms.flightCheck {
                slot.pointee.flightCheck = now + check
            }
        }
        advance(token, slot)
    }

    /// Zero is the kernel's own limit.
    private func limit(_ end: UnsafeMutablePointer<PairEnd>, _ milliseconds: UInt64) {
        guard end.pointee.isLimited != (milliseconds > 0) else { return }
        end.pointee.isLimited = milliseconds > 0
        var value = Int32(clamping: milliseconds)
        _ = setsockopt(end.pointee.descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
