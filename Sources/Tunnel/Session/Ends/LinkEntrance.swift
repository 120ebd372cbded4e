import Config
import DequeModule
import NIOCore

/// Where users of an entry wait for links, across sessions: a burst above the pool's size or a
/// reconnect delays them instead of turning them away.
///
/// Lives on the tunnel's loop.
final class LinkEntrance {
    private struct Waiter {
        let transport: TransportProtocol
        let user: String
        let isWanted: () -> Bool
        let promise: EventLoopPromise<NIOLoopBound<Taken>>
        let deadline: Scheduled<Void>
    }

    /// A link that is the caller's now, and how to use it for datagrams.
    struct Taken {
        let link: Link
        let areDatagramsFramed: Bool
    }

    private let loop: any EventLoop
    private let patience: TimeAmount
    private var order = Deque<Int>()
    private var waiters: [Int: Waiter] = [:]
    private var nextTicket = 0
    private let log: TunnelLog
    /// The present session, while there is one.
    var session: Session?

    init(loop: any EventLoop, patience: TimeAmount, log: TunnelLog) {
        self.loop = loop
        self.log = log
        self.patience = patience
    }

    var waiting: Int { waiters.count }

    /// Whether the next user gets a link without waiting for one.
    var hasLink: Bool {
        waiters.isEmpty && session?.hasSpareLink == true
    }

    /// A link for one user, who is passed over once the link is not wanted any more.
    ///
    /// Fails with `TunnelError` (`PeerUnreachable`) when none comes in time or too many wait.
    func link(
        _ transport: TransportProtocol,
        user: SocketAddress?,
        isWanted: @escaping () -> Bool
    ) -> EventLoopFuture<NIOLoopBound<Taken>> {
        let name = user.map { Endpoint($0).description } ?? ""
        if waiters.isEmpty, let taken = take(transport, name) {
            return loop.makeSucceededFuture(NIOLoopBound(taken, eventLoop: loop))
        }
        guard waiters.count < TunnelLimits.waitingUsers else {
            return loop.makeFailedFuture(refusal("\(TunnelLimits.waitingUsers) users wait for one already"))
        }
        let ticket = nextTicket
        nextTicket += 1
        let promise = loop.makePromise(of: NIOLoopBound<Taken>.self)
        let deadline = loop.assumeIsolated().scheduleTask(in: patience) { self.giveUp(ticket) }
        waiters[ticket] = Waiter(
            transport: transport,
            user: name,
            isWanted: isWanted,
            promise: promise,
            deadline: deadline
        )
        order.append(ticket)
        session?.refill()
        return promise.futureResult
    }

    /// Gives waiting users what links there are; called whenever one becomes idle.
    func supplyUsers() {
        while let ticket = order.first {
            guard let waiter = waiters[ticket] else {
                order.removeFirst()
                continue
            }
            let isWanted = waiter.isWanted()
            let taken = isWanted ? take(waiter.transport, waiter.user) : nil
            if isWanted, taken == nil { return }
            order.removeFirst()
            waiters[ticket] = nil
            waiter.deadline.cancel()
            if let taken {
                waiter.promise.succeed(NIOLoopBound(taken, eventLoop: loop))
            } else {
                waiter.promise.fail(ChannelError.alreadyClosed)
            }
        }
    }

    private func take(_ transport: TransportProtocol, _ user: String) -> Taken? {
        guard let session, let link = session.takeLink(transport, user: user) else { return nil }
        return Taken(link: link, areDatagramsFramed: session.terms.extensions.contains(.datagramFrames))
    }

    private func giveUp(_ ticket: Int) {
        guard let waiter = waiters.removeValue(forKey: ticket) else { return }
        // All wait equally long, so those that gave up are at the front.
        while let first = order.first, waiters[first] == nil { order.removeFirst() }
        let why = session?.isEstablished == true ? "no idle link" : "the other end is not connected"
        waiter.promise.fail(refusal("\(why), after \(patience.nanoseconds / 1_000_000) ms of waiting"))
    }

    private func refusal(_ why: String) -> TunnelError {
        log.write(.error, .noLink, "User turned away, no link: \(why)")
        return TunnelError(.peerUnreachable, "no link: \(why)")
    }
}

extension Endpoint {
    /// A socket address in the notation of signals and logs: `1.2.3.4:5`, `[2001:db8::1]:5`.
    init(_ address: SocketAddress) {
        let ip = IPAddress(address)
        self.init(host: ip?.description ?? address.ipAddress ?? "", port: UInt16(address.port ?? 0))
    }
}
