import Config
import NIOCore
import NIOPosix

/// A UDP listener: one session for each user address, each with a socket connected to a target, or
/// with a link.
///
/// A user who asks two addresses of this machine has two sessions, so that each answer comes from
/// the address that was asked. Over links there is one, because the other end knows a user by the
/// address alone: answers come from the address that was asked last.
///
/// Listener and sessions live on one event loop. Datagrams are passed on whole or dropped, never
/// queued beyond the named limits: UDP's users expect loss, not delay.
final class DatagramListenerHandler: ChannelDuplexHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundIn = AddressedEnvelope<ByteBuffer>
    typealias OutboundOut = AddressedEnvelope<ByteBuffer>

    private let tunnel: TunnelContext
    /// Where users get links; nil where targets are dialled.
    fileprivate let entrance: LinkEntrance?
    /// Where replies have to say which address they come from.
    private let socket: WildcardSocket?
    private var sessions: [Key: DatagramSession] = [:]
    private var toFlush: [DatagramSession] = []
    private let sweep: IdleSweep
    private let gate = RateGate()
    /// Of the listener's own socket.
    private var unsent: UnsentReplies<Reply>
    private var retry: Scheduled<Void>?

    private struct Reply {
        let datagram: ByteBuffer
        let user: SocketAddress
        let source: NIOPacketInfo

        /// What was read has a buffer for the longest datagram, however short it is.
        var copied: Reply {
            Reply(datagram: ByteBuffer(bytes: datagram.readableBytesView), user: user, source: source)
        }
    }

    /// What a session is found by.
    fileprivate struct Key: Hashable {
        let user: SocketAddress
        /// The address of this machine that the user asked, where it makes a difference.
        var asked: SocketAddress?
    }

    /// `socket` is the listener's own, where it is bound to every address.
    init(tunnel: TunnelContext, entrance: LinkEntrance?, socket: WildcardSocket? = nil) {
        self.tunnel = tunnel
        self.entrance = entrance
        self.socket = socket
        unsent = UnsentReplies(tunnel.datagramRoom)
        sweep = IdleSweep(limit: tunnel.environment.udpIdleTimeout)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = Self.unwrapInboundIn(data)
        let arrival = envelope.metadata?.packetInfo
        let key = Key(user: envelope.remoteAddress, asked: entrance == nil ? arrival?.destinationAddress : nil)
        guard let session = sessions[key] ?? open(key, context) else { return }
        session.arrival = arrival
        // Counted before it is known whether the target takes it: a limit must see what was read,
        // or a flood to a slow target would be read at full speed.
        gate.bytes += envelope.data.readableBytes
        tunnel.counters.countUDP(envelope.data.readableBytes, .fromUser)
        if session.send(envelope.data) { toFlush.append(session) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // One flush for each session and read cycle, so that NIO sends its datagrams in one system
        // call.
        for session in toFlush { session.flush() }
        toFlush.removeAll(keepingCapacity: true)
        gate.account(tunnel.admission().plan.rates?.fromUser, context)
    }

    func read(context: ChannelHandlerContext) {
        gate.read(context)
    }

    private func open(_ key: Key, _ context: ChannelHandlerContext) -> DatagramSession? {
        let (plan, group) = tunnel.admission()
        let user = key.user
        guard plan.admits(user) else { return refuse("access denied", .accessDenied, user) }
        // A user who gets a link needs no descriptor here.
        let place = entrance == nil ? tunnel.descriptors.place(for: .target) : nil
        guard entrance != nil || place != nil else {
            tunnel.refuseUser()
            return nil
        }
        guard tunnel.counters.open(.udp, limit: plan.connectionLimit) else {
            return refuse("connection limit \(plan.connectionLimit) reached", .limitReached, user)
        }
        let session = DatagramSession(key: key, plan: plan, tunnel: tunnel, listener: self, context: context)
        sessions[key] = session
        session.connect(group, place)
        sweep.start(on: context.eventLoop) { self.closeIdle(since: $0) }
        return session
    }

    private func refuse(_ why: String, _ subject: LogSubject, _ user: SocketAddress) -> DatagramSession? {
        tunnel.log.write(.warn, subject, "Datagram from \(Endpoint(user)) refused: \(why)")
        return nil
    }

    fileprivate func ended(_ session: DatagramSession) {
        // A session closes more than once (its channel, the sweep, the listener), and by then the
        // same user may have a new one.
        guard sessions[session.key] === session else { return }
        sessions[session.key] = nil
        tunnel.counters.close(.udp)
        if sessions.isEmpty { sweep.stop() }
    }

    /// Gives a user a datagram, from the address at which `arrival` came.
    fileprivate func reply(
        _ datagram: ByteBuffer,
        to user: SocketAddress,
        _ arrival: NIOPacketInfo?,
        _ context: ChannelHandlerContext
    ) {
        if let socket, let arrival {
            return send(Reply(datagram: datagram, user: user, source: arrival), socket, context)
        }
        let envelope = AddressedEnvelope(remoteAddress: user, data: datagram)
        context.write(Self.wrapOutboundOut(envelope), promise: nil)
    }

    private func send(_ reply: Reply, _ socket: WildcardSocket, _ context: ChannelHandlerContext) {
        unsent.send(reply, bytes: reply.datagram.readableBytes, kept: \.copied) {
            socket.send($0.datagram, to: $0.user, from: $0.source)
        }
        scheduleRetry(socket, context)
    }

    /// NIO says when its own writes have room again, not those past it.
    private func scheduleRetry(_ socket: WildcardSocket, _ context: ChannelHandlerContext) {
        guard retry == nil, !unsent.isEmpty else { return }
        let pause = TimeAmount(TunnelLimits.unsentReplyPause)
        retry = context.eventLoop.assumeIsolated().scheduleTask(in: pause) {
            self.retry = nil
            self.unsent.retry { socket.send($0.datagram, to: $0.user, from: $0.source) }
            self.scheduleRetry(socket, context)
        }
    }

    private func closeIdle(since horizon: NIODeadline) -> Bool {
        for session in sessions.values {
            if session.lastActivity < horizon { session.close() } else { session.checkSilence() }
        }
        return !sessions.isEmpty
    }

    func channelInactive(context: ChannelHandlerContext) {
        retry?.cancel()
        unsent.dropAll()
        for session in sessions.values { session.close() }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // An ICMP error about some user's address, which is no concern of the other users.
        tunnel.log.write(.debug, "UDP listener: \(ErrorText.words(for: error))")
    }
}

/// One user of a UDP listener: the socket connected to the target, and what waits until it is.
final class DatagramSession {
    fileprivate let key: DatagramListenerHandler.Key
    /// Where and how the user's last datagram arrived.
    fileprivate var arrival: NIOPacketInfo?
    private(set) var lastActivity = NIODeadline.now()
    private var needsFlush = false
    private let plan: ForwardingPlan
    private let tunnel: TunnelContext
    private let listener: DatagramListenerHandler
    private let listenerContext: ChannelHandlerContext
    /// The target's socket, or the link.
    private var channel: (any Channel)?
    /// Which target it is; nil for a link.
    private var target: Int?
    private var isAnswered = false
    private var silence = TargetSilence()
    private var waiting: WaitingDatagrams
    private var isClosed = false

    fileprivate init(
        key: DatagramListenerHandler.Key,
        plan: ForwardingPlan,
        tunnel: TunnelContext,
        listener: DatagramListenerHandler,
        context: ChannelHandlerContext
    ) {
        self.key = key
        self.plan = plan
        self.tunnel = tunnel
        self.listener = listener
        self.listenerContext = context
        waiting = WaitingDatagrams(tunnel.datagramRoom)
    }

    /// Reaches the target over a socket of its own where there is a `place` for one, else over a link.
    func connect(_ group: ConnectionGroup, _ place: DescriptorPlace?) {
        if let place {
            dial(group, place)
        } else if let entrance = listener.entrance {
            takeLink(entrance, group)
        }
    }

    private func dial(_ group: ConnectionGroup, _ place: DescriptorPlace) {
        let loop = listenerContext.eventLoop
        let bound = NIOLoopBound(self, eventLoop: loop)
        tunnel.dialer.connectDatagram(plan, place, on: loop) { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandlers([
                    DatagramUnwrapper(), DatagramReplyHandler(session: bound.value),
                ])
            }
        }.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let (channel, target)):
                self.target = target
                self.connected(channel, group)
            case .failure(let error):
                self.tunnel.unreachable(error)
                self.close()
            }
        }
    }

    private func takeLink(_ entrance: LinkEntrance, _ group: ConnectionGroup) {
        entrance.link(.udp, user: key.user) { !self.isClosed }.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let taken):
                let link = taken.value.link
                do {
                    let replies = DatagramReplyHandler(session: self)
                    try DatagramLinkCodec.install(
                        on: link,
                        isFramed: taken.value.areDatagramsFramed,
                        self.plan.keepAlive,
                        replies
                    )
                    self.connected(link.channel, group)
                } catch {
                    link.close()
                    self.tunnel.log.write(.error, .linkFailed, "Link failed: \(ErrorText.words(for: error))")
                    self.close()
                }
            case .failure: self.close()
            }
        }
    }

    private func connected(_ channel: any Channel, _ group: ConnectionGroup) {
        // The user may have timed out, or the run been cut, while the target was being reached.
        guard !isClosed, group.add(channel, of: .named(Endpoint(key.user).description, .udp)) else {
            channel.close(promise: nil)
            return close()
        }
        channel.closeFuture.whenComplete { _ in group.remove(channel) }
        self.channel = channel
        for datagram in waiting.takeAll() { _ = write(datagram, to: channel) }
        flush()
    }

    /// Writes the datagram, or keeps it while the target is being reached; true when the caller has
    /// to flush later.
    func send(_ datagram: ByteBuffer) -> Bool {
        lastActivity = .now()
        silence.sent(lastActivity)
        if let channel { return write(datagram, to: channel) }
        if !isClosed { waiting.append(datagram) }
        return false
    }

    private func write(_ datagram: ByteBuffer, to channel: any Channel) -> Bool {
        // A target that takes nothing loses datagrams here; a queue would only make the later ones
        // late.
        guard channel.isWritable else { return false }
        channel.write(datagram, promise: nil)
        defer { needsFlush = true }
        return !needsFlush
    }

    func flush() {
        needsFlush = false
        channel?.flush()
    }

    /// Gives a target's datagram to the user; the caller flushes when it has given all it has.
    fileprivate func reply(_ datagram: ByteBuffer) {
        lastActivity = .now()
        silence.replied()
        if !isAnswered {
            isAnswered = true
            if let target { plan.rotation.succeeded(target) }
        }
        guard listenerContext.channel.isActive, listenerContext.channel.isWritable else { return }
        tunnel.counters.countUDP(datagram.readableBytes, .toUser)
        listener.reply(datagram, to: key.user, arrival, listenerContext)
    }

    /// A target that stays silent may have moved: the user's next datagram then goes to where its name points now.
    fileprivate func checkSilence() {
        guard let target, let address = channel?.remoteAddress, silence.isDue(.now()) else { return }
        tunnel.reconnectIfMoved(target, from: address, plan, on: listenerContext.eventLoop) { self.close() }
    }

    fileprivate func flushReplies() {
        listenerContext.flush()
    }

    fileprivate var limiter: RateLimiter? { plan.rates?.toUser }

    /// The socket failed, or is gone without our doing: the next datagram of this user starts over, with the next
    /// target.
    fileprivate func failed(_ error: any Error) {
        if !isClosed, let target { tunnel.targetFailed(target, plan, error) }
        close()
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        waiting.takeAll()
        if !isAnswered, listener.entrance == nil { tunnel.dialer.doubt(plan) }
        channel?.closeAtOnce()
        channel = nil
        listener.ended(self)
    }
}

/// A connected socket's datagrams without the address, which is known.
final class DatagramUnwrapper: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    typealias InboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.fireChannelRead(Self.wrapInboundOut(Self.unwrapInboundIn(data).data))
    }
}

/// Reads a session's socket or link and hands what comes to the session's user.
private final class DatagramReplyHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: DatagramSession
    private let gate = RateGate()
    /// It closes by our doing.
    private var isClosing = false

    init(session: DatagramSession) {
        self.session = session
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let datagram = Self.unwrapInboundIn(data)
        gate.bytes += datagram.readableBytes
        session.reply(datagram)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        session.flushReplies()
        gate.account(session.limiter, context)
    }

    func read(context: ChannelHandlerContext) {
        gate.read(context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Mostly "connection refused", by ICMP.
        session.failed(error)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        isClosing = true
        context.close(mode: mode, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if isClosing { session.close() } else { session.failed(TunnelError.sendingFailed) }
        context.fireChannelInactive()
    }
}

/// Holds a datagram channel's reads back while its rate limit has to catch up; the kernel's buffer
/// queues, then drops.
final class RateGate {
    var bytes = 0
    private var isPaused = false
    private var isReadHeld = false

    func account(_ limiter: RateLimiter?, _ context: ChannelHandlerContext) {
        let taken = bytes
        bytes = 0
        guard taken > 0, let wait = limiter?.take(taken) else { return }
        isPaused = true
        context.eventLoop.assumeIsolated().scheduleTask(in: wait) {
            self.isPaused = false
            guard self.isReadHeld else { return }
            self.isReadHeld = false
            context.read()
        }
    }

    func read(_ context: ChannelHandlerContext) {
        if isPaused {
            isReadHeld = true
        } else {
            context.read()
        }
    }
}
