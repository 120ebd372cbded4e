import Config
import NIOCore

/// One UDP session of an exit: the link that carries a user's datagrams, and a socket connected to
/// a target.
///
/// A user who comes again before the session is forgotten gets the same socket, so that the target
/// sees the same peer.
final class DatagramExit {
    private(set) var lastActivity = NIODeadline.now()
    private let user: String
    private let plan: ForwardingPlan
    private let tunnel: TunnelContext
    private let whenClosed: (DatagramExit) -> Void
    /// The connections that are drained and cut with it.
    private var group: ConnectionGroup?
    private var link: (any Channel)?
    private var target: (any Channel)?
    private var targetIndex: Int?
    private var isAnswered = false
    private var silence = TargetSilence()
    private var waiting: WaitingDatagrams
    private var isClosed = false

    init(user: String, plan: ForwardingPlan, tunnel: TunnelContext, whenClosed: @escaping (DatagramExit) -> Void) {
        self.user = user
        self.plan = plan
        self.tunnel = tunnel
        self.whenClosed = whenClosed
        waiting = WaitingDatagrams(tunnel.datagramRoom)
    }

    /// Dials a target, whose socket has `place`.
    func start(
        _ link: Link,
        framed: Bool,
        group: ConnectionGroup,
        place: DescriptorPlace,
        refuse: @escaping (String) -> Void
    ) {
        self.group = group
        attach(link, framed: framed)
        guard !isClosed else { return }
        let bound = NIOLoopBound(self, eventLoop: tunnel.home)
        tunnel.dialer.connectDatagram(plan, place, on: tunnel.home) { channel in
            channel.eventLoop.makeCompletedFuture {
                let handler = DatagramExitHandler(session: bound.value, side: .target)
                try channel.pipeline.syncOperations.addHandlers([DatagramUnwrapper(), handler])
            }
        }.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let (channel, index)):
                self.targetIndex = index
                self.connected(channel)
            case .failure(let error):
                self.tunnel.unreachable(error)
                refuse("\(LinkExit.unreachable)\(ErrorText.words(for: error))")
                self.close()
            }
        }
    }

    /// The user's datagrams come over this link from now on.
    func attach(_ link: Link, framed: Bool) {
        guard let group, group.add(link.channel, of: .named(user, .udp)) else {
            link.close()
            return close()
        }
        link.channel.closeFuture.whenComplete { [channel = link.channel] _ in group.remove(channel) }
        let former = self.link
        self.link = link.channel
        former?.closeAtOnce()
        lastActivity = .now()
        do {
            let handler = DatagramExitHandler(session: self, side: .link)
            try DatagramLinkCodec.install(on: link, isFramed: framed, plan.keepAlive, handler)
        } catch {
            link.close()
        }
    }

    private func connected(_ channel: any Channel) {
        guard !isClosed else { return channel.close(promise: nil) }
        target = channel
        for datagram in waiting.takeAll() { channel.write(datagram, promise: nil) }
        channel.flush()
    }

    fileprivate func toTarget(_ datagram: ByteBuffer) {
        lastActivity = .now()
        silence.sent(lastActivity)
        tunnel.counters.countUDP(datagram.readableBytes, .toUser)
        guard let target else {
            if !isClosed { waiting.append(datagram) }
            return
        }
        if target.isWritable { target.write(datagram, promise: nil) }
    }

    fileprivate func toLink(_ datagram: ByteBuffer) {
        lastActivity = .now()
        silence.replied()
        if !isAnswered {
            isAnswered = true
            if let targetIndex { plan.rotation.succeeded(targetIndex) }
        }
        tunnel.counters.countUDP(datagram.readableBytes, .fromUser)
        if let link, link.isWritable { link.write(datagram, promise: nil) }
    }

    fileprivate func flush(from side: DatagramExitHandler.Side) {
        switch side {
        case .link: target?.flush()
        case .target: link?.flush()
        }
    }

    fileprivate func limiter(from side: DatagramExitHandler.Side) -> RateLimiter? {
        switch side {
        case .link: plan.rates?.toUser
        case .target: plan.rates?.fromUser
        }
    }

    /// A target that stays silent may have moved: the user's next datagram then goes to where its name points now.
    func checkSilence() {
        guard let targetIndex, let address = target?.remoteAddress, silence.isDue(.now()) else { return }
        tunnel.reconnectIfMoved(targetIndex, from: address, plan, on: tunnel.home) { self.close() }
    }

    /// Mostly "connection refused", by ICMP.
    fileprivate func failed(_ side: DatagramExitHandler.Side, _ error: any Error) {
        if side == .target, !isClosed, let targetIndex { tunnel.targetFailed(targetIndex, plan, error) }
    }

    fileprivate func closed(_ side: DatagramExitHandler.Side, _ channel: any Channel) {
        switch side {
        case .link: if channel === link { close() }
        case .target: close()
        }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        waiting.takeAll()
        if !isAnswered { tunnel.dialer.doubt(plan) }
        link?.closeAtOnce()
        target?.close(promise: nil)
        link = nil
        target = nil
        whenClosed(self)
    }
}

/// Reads one side of a `DatagramExit`; behind it all is whole datagrams.
private final class DatagramExitHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Side {
        case link
        case target
    }

    private let session: DatagramExit
    private let side: Side
    private let gate = RateGate()
    /// It closes by our doing.
    private var isClosing = false

    init(session: DatagramExit, side: Side) {
        self.session = session
        self.side = side
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let datagram = Self.unwrapInboundIn(data)
        gate.bytes += datagram.readableBytes
        switch side {
        case .link: session.toTarget(datagram)
        case .target: session.toLink(datagram)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        session.flush(from: side)
        gate.account(session.limiter(from: side), context)
    }

    func read(context: ChannelHandlerContext) {
        gate.read(context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        session.failed(side, error)
        context.channel.closeAtOnce()
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        isClosing = true
        context.close(mode: mode, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !isClosing { session.failed(side, TunnelError.sendingFailed) }
        session.closed(side, context.channel)
        context.fireChannelInactive()
    }
}
