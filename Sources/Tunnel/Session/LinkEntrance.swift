import Config
import DequeModule
import NIOCore

/// Where users of an entry wait for links, across sessions: a burst above the pool's size or a reconnect delays them
/// instead of turning them away.
///
/// Lives on the tunnel's loop.
final class LinkEntrance {
    private struct Waiter {
        let transport: TransportProtocol
        let user: String
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
    /// The present session, while there is one.
    var session: Session?

    init(loop: any EventLoop, patience: TimeAmount) {
        self.loop = loop
        self.patience = patience
    }

    var waiting: Int { waiters.count }

    /// A link for one user; fails with `TunnelError` (`PeerUnreachable`) when none comes in time or too many wait.
    func link(_ transport: TransportProtocol, user: SocketAddress?) -> EventLoopFuture<NIOLoopBound<Taken>> {
        let name = user.map { Endpoint($0).description } ?? ""
        if waiters.isEmpty, let taken = take(transport, name) {
            return loop.makeSucceededFuture(NIOLoopBound(taken, eventLoop: loop))
        }
        guard waiters.count < TunnelLimits.waitingUsers else {
            return loop.makeFailedFuture(
                TunnelError(.peerUnreachable, "\(TunnelLimits.waitingUsers) users are waiting for a link already")
            )
        }
        let ticket = nextTicket
        nextTicket += 1
        let promise = loop.makePromise(of: NIOLoopBound<Taken>.self)
        let deadline = loop.assumeIsolated().scheduleTask(in: patience) { self.giveUp(ticket) }
        waiters[ticket] = Waiter(transport: transport, user: name, promise: promise, deadline: deadline)
        order.append(ticket)
        session?.refill()
        return promise.futureResult
    }

    /// Gives waiting users what links there are; called whenever one becomes idle.
    func serve() {
        while let ticket = order.first {
            guard let waiter = waiters[ticket] else {
                order.removeFirst()
                continue
            }
            guard let taken = take(waiter.transport, waiter.user) else { return }
            order.removeFirst()
            waiters[ticket] = nil
            waiter.deadline.cancel()
            waiter.promise.succeed(NIOLoopBound(taken, eventLoop: loop))
        }
    }

    private func take(_ transport: TransportProtocol, _ user: String) -> Taken? {
        guard let session, let link = session.open(transport, user: user) else { return nil }
        return Taken(link: link, areDatagramsFramed: session.terms.extensions.contains(.datagramFrames))
    }

    private func giveUp(_ ticket: Int) {
        guard let waiter = waiters.removeValue(forKey: ticket) else { return }
        // All wait equally long, so those that gave up stand at the front.
        while let first = order.first, waiters[first] == nil { order.removeFirst() }
        let why = session?.serves == true ? "no idle link" : "the other end is not connected"
        waiter.promise.fail(
            TunnelError(.peerUnreachable, "\(why), after \(patience.nanoseconds / 1_000_000) ms of waiting")
        )
    }
}

extension Endpoint {
    /// A socket address in the notation of signals and logs: `1.2.3.4:5`, `[2001:db8::1]:5`.
    init(_ address: SocketAddress) {
        let ip = IPAddress(address)
        self.init(host: ip?.description ?? address.ipAddress ?? "", port: UInt16(address.port ?? 0))
    }
}
