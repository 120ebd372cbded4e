import NIOCore

/// Two connected channels on one event loop, each giving the other what it reads, until both
/// directions have ended.
///
/// Everything here runs on that loop: a relayed read is two method calls, without a lock, task,
/// copy or log line. FIN travels as output close once everything before it has been written. A
/// direction is read from only while the other channel takes writes and the rate allows, so that
/// bytes wait in the kernel and the sender feels it.
final class TCPRelay {
    private let near: RelayHandler
    private let far: RelayHandler
    private let loop: any EventLoop
    private let readTimeout: TimeAmount?
    private var isHalfClosed = false
    private var lastActivity = NIODeadline.now()
    private var idleCheck: Scheduled<Void>?
    private let group: ConnectionGroup
    private let keepAlive: KeepAlive?
    private var flight: FlightWatch?
    private var openEnds = 2
    private let whenClosed: () -> Void

    /// Prepares both ends; `install` puts them to work.
    init(
        loop: any EventLoop,
        plan: ForwardingPlan,
        group: ConnectionGroup,
        counters: TrafficCounters,
        whenClosed: @escaping () -> Void
    ) {
        self.loop = loop
        self.group = group
        self.readTimeout = plan.readTimeout
        keepAlive = plan.keepAlive
        self.whenClosed = whenClosed
        near = RelayHandler(direction: .fromUser, limiter: plan.rates?.fromUser, counters: counters)
        far = RelayHandler(direction: .toUser, limiter: plan.rates?.toUser, counters: counters)
    }

    /// Takes over both channels, which must be active on the relay's loop with reads off, and turns
    /// reads on.
    ///
    /// `near` is the one whose bytes are counted as `rx`: the user's, or, on an exit, the target's.
    func install(near nearEnd: RelayEnd, far farEnd: RelayEnd) throws {
        near.relay = self
        far.relay = self
        near.partner = far
        far.partner = near
        do {
            try nearEnd.channel.pipeline.syncOperations.addHandler(near)
            try farEnd.channel.pipeline.syncOperations.addHandler(far)
        } catch {
            // One of them has no channel, so that the end of both never comes.
            near.detach()
            far.detach()
            throw error
        }
        scheduleIdleCheck()
        flight = keepAlive.map { FlightWatch($0, [nearEnd.channel, farEnd.channel]) }
        near.begin(with: nearEnd.early)
        far.begin(with: farEnd.early)
        try farEnd.channel.readFreely()
        try nearEnd.channel.readFreely()
    }

    fileprivate func active() {
        flight?.wrote(on: loop)
        if idleCheck != nil { lastActivity = .now() }
    }

    fileprivate func halfClosed() {
        isHalfClosed = true
        lastActivity = .now()
        if idleCheck == nil { scheduleIdleCheck() }
    }

    fileprivate func endClosed() {
        openEnds -= 1
        guard openEnds == 0 else { return }
        idleCheck?.cancel()
        idleCheck = nil
        flight?.stop()
        flight = nil
        near.detach()
        far.detach()
        whenClosed()
    }

    /// How long one end may take what was read for it after the other has gone.
    fileprivate var linger: TimeAmount {
        TimeAmount(group.isCut ? TunnelLimits.lingerAfterCut : TunnelLimits.lingerAfterReset)
    }

    private var idleLimit: TimeAmount? {
        let halfClosed = isHalfClosed ? TimeAmount(TunnelLimits.halfClosedIdle) : nil
        return [readTimeout, halfClosed].compactMap(\.self).min()
    }

    private func scheduleIdleCheck() {
        guard let limit = idleLimit else { return }
        idleCheck = loop.assumeIsolated().scheduleTask(deadline: lastActivity + limit) { self.checkIdle() }
    }

    private func checkIdle() {
        guard let limit = idleLimit else { return }
        guard NIODeadline.now() - lastActivity >= limit else { return scheduleIdleCheck() }
        near.close()
        far.close()
    }
}

/// A channel for a relay to take over, and what has come from it already.
struct RelayEnd {
    let channel: any Channel
    var early = EarlyBytes()
}

/// What a channel received before its relay was there.
struct EarlyBytes {
    var buffers: [ByteBuffer] = []
    /// Its sender has ended its direction.
    var hasEnded = false
}

/// One end of a `TCPRelay`: reads its channel and writes to the other's.
private final class RelayHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Both references make cycles on purpose: a relay lives until its two channels are closed,
    /// then `detach` ends them.
    var relay: TCPRelay?
    var partner: RelayHandler?
    private let direction: TrafficCounters.Direction
    private let limiter: RateLimiter?
    private let counters: TrafficCounters
    private var context: ChannelHandlerContext?
    private var bytesThisCycle = 0
    private var isReadHeld = false
    private var isPausedByRate = false
    private var hasInputEnded = false
    private var isOutputEnding = false
    private var linger: Scheduled<Void>?

    init(direction: TrafficCounters.Direction, limiter: RateLimiter?, counters: TrafficCounters) {
        self.direction = direction
        self.limiter = limiter
        self.counters = counters
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func detach() {
        relay = nil
        partner = nil
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        bytesThisCycle += Self.unwrapInboundIn(data).readableBytes
        partner?.context?.write(data, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        guard bytesThisCycle > 0 else { return }
        partner?.context?.flush()
        account()
    }

    /// Passes on what was received before this handler was there.
    func begin(with early: EarlyBytes) {
        if let other = partner?.context, !early.buffers.isEmpty {
            for buffer in early.buffers {
                bytesThisCycle += buffer.readableBytes
                other.write(Self.wrapOutboundOut(buffer), promise: nil)
            }
            other.flush()
            account()
        }
        if early.hasEnded { inputEnded() }
    }

    private func account() {
        let bytes = bytesThisCycle
        bytesThisCycle = 0
        counters.countTCP(bytes, direction)
        relay?.active()
        guard let limiter, let wait = limiter.take(bytes), let loop = context?.eventLoop else { return }
        isPausedByRate = true
        loop.assumeIsolated().scheduleTask(in: wait) {
            self.isPausedByRate = false
            self.resumeReading()
        }
    }

    func read(context: ChannelHandlerContext) {
        if mayRead {
            context.read()
        } else {
            isReadHeld = true
        }
    }

    private var mayRead: Bool {
        !isPausedByRate && partner?.context?.channel.isWritable ?? true
    }

    private func resumeReading() {
        guard isReadHeld, mayRead else { return }
        isReadHeld = false
        context?.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { partner?.resumeReading() }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Ending

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { inputEnded() }
        context.fireUserInboundEventTriggered(event)
    }

    /// This side will send nothing more: the other side's output ends after what was read so far.
    func inputEnded() {
        guard !hasInputEnded else { return }
        hasInputEnded = true
        relay?.halfClosed()
        partner?.endOutput(closing: .output)
    }

    func channelInactive(context: ChannelHandlerContext) {
        let other = partner
        relay?.endClosed()
        other?.endOutput(closing: .all)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A peer that resets is a normal end; what it sent before has been passed on already.
        close()
    }

    /// Closes this channel's output, or all of it, once everything written has left.
    ///
    /// NIO turns an output close into a full close, dropping queued writes, when the input has
    /// ended already; an empty write's promise completes when nothing is queued any more.
    private func endOutput(closing mode: CloseMode) {
        // Called twice when first the FIN and then the end of the other side comes. Only the second
        // may do more than the first has begun.
        guard let context, !isOutputEnding || mode == .all else { return }
        isOutputEnding = true
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer()), promise: written)
        // The promise may complete within `writeAndFlush`, before there is a timer to cancel.
        var isWritten = false
        written.futureResult.assumeIsolated().whenComplete { _ in
            isWritten = true
            self.linger?.cancel()
            // Through `self.context`: the handler may have left the pipeline while the write
            // waited.
            if mode == .all { self.close() } else { self.context?.close(mode: mode, promise: nil) }
        }
        // After a FIN the other side still reads its partner, so it may take all the time it needs.
        // After a full close nothing more comes, and a reader that never reads would hold the
        // memory forever.
        guard mode == .all, !isWritten else { return }
        let limit = relay?.linger ?? TimeAmount(TunnelLimits.lingerAfterReset)
        linger = context.eventLoop.assumeIsolated().scheduleTask(in: limit) { self.close() }
    }

    func close() {
        context?.channel.closeAtOnce()
    }
}
