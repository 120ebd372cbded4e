import Config
import NIOCore

/// The first handler of an accepted connection: decides whether it may come in, dials the target,
/// and hands both to a relay.
///
/// Reads are off, so bytes wait in the kernel; only where protocols are blocked are the first ones
/// looked at before.
final class TCPAcceptHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    /// How a user gets to the target.
    enum Way {
        /// Over a link of this entrance.
        case link(LinkEntrance)
        /// Over a connection of its own, for which there is this descriptor.
        case target(DescriptorPlace)
    }

    private let tunnel: TunnelContext
    /// Nil when it has been taken.
    private var way: Way?
    private let plan: ForwardingPlan
    private let group: ConnectionGroup
    private var early = EarlyBytes()
    private var state = State.waiting
    private var sniffDeadline: Scheduled<Void>?

    private enum State {
        /// Before `channelActive`.
        case waiting
        /// Looking at the first bytes; the target is not dialled yet.
        case sniffing
        case dialling
        /// A relay has taken over, or the connection is gone.
        case done
    }

    init(tunnel: TunnelContext, way: Way) {
        self.tunnel = tunnel
        self.way = way
        (plan, group) = tunnel.admission()
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard case .waiting = state else { return }
        guard plan.admits(context.remoteAddress) else {
            return refuse(context, "access denied", .accessDenied, level: .warn)
        }
        guard tunnel.counters.open(.tcp, limit: plan.connectionLimit) else {
            return refuse(context, "connection limit \(plan.connectionLimit) reached", .limitReached, level: .error)
        }
        releaseWhenClosed(context.channel)
        guard group.add(context.channel) else { return context.close(promise: nil) }
        if plan.sniffer == nil {
            dial(context)
        } else {
            state = .sniffing
            sniffDeadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.sniffWait)) {
                if case .sniffing = self.state { self.dial(context) }
            }
            context.read()
        }
    }

    private func releaseWhenClosed(_ channel: any Channel) {
        channel.closeFuture.whenComplete { [tunnel, group] _ in
            tunnel.counters.close(.tcp)
            group.remove(channel)
        }
    }

    private func refuse(_ context: ChannelHandlerContext, _ why: String, _ subject: LogSubject, level: LogLevel) {
        state = .done
        tunnel.log.write(level, subject, "Connection from \(Self.name(context.remoteAddress)) refused: \(why)")
        context.close(promise: nil)
    }

    // MARK: Before the relay

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        early.buffers.append(Self.unwrapInboundIn(data))
        guard case .sniffing = state else { return }
        // The guard in front has let these bytes through.
        dial(context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            early.hasEnded = true
            if case .sniffing = state { dial(context) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        state = .done
        way = nil
        sniffDeadline?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    // MARK: The other side

    private func dial(_ context: ChannelHandlerContext) {
        state = .dialling
        sniffDeadline?.cancel()
        defer { way = nil }
        switch way {
        case .link(let entrance): takeLink(entrance, context)
        case .target(let place): dialTarget(place, context)
        case nil: break
        }
    }

    private func dialTarget(_ place: DescriptorPlace, _ context: ChannelHandlerContext) {
        tunnel.dialer.connect(plan, place, on: context.eventLoop).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let target): self.connected(target, context)
            case .failure(let error): self.failed(error, context)
            }
        }
    }

    private func failed(_ error: any Error, _ context: ChannelHandlerContext) {
        guard case .dialling = state else { return }
        state = .done
        tunnel.unreachable(error)
        context.close(promise: nil)
    }

    /// The user may have left while we waited; nothing would ever close the other side then.
    private func isWanted(_ context: ChannelHandlerContext) -> Bool {
        guard case .dialling = state else { return false }
        return context.channel.isActive
    }

    private func takeLink(_ entrance: LinkEntrance, _ context: ChannelHandlerContext) {
        entrance.link(.tcp, user: context.remoteAddress) { self.isWanted(context) }.assumeIsolated().whenComplete {
            result in
            switch result {
            case .success(let taken):
                let link = taken.value.link
                guard self.isWanted(context) else { return link.close() }
                self.relay(context, RelayEnd(channel: link.channel, early: link.release()), name: "link \(link.id)")
            case .failure:
                // The entrance has said so.
                self.state = .done
                context.close(promise: nil)
            }
        }
    }

    private func connected(_ target: TargetDialer.Connection, _ context: ChannelHandlerContext) {
        tunnel.counters.recordPing(milliseconds: target.milliseconds)
        guard isWanted(context) else { return target.channel.close(promise: nil) }
        sendProxyHeader(target, context)
        relay(context, RelayEnd(channel: target.channel), name: Endpoint(target.address).description)
    }

    private func relay(_ context: ChannelHandlerContext, _ far: RelayEnd, name: @autoclosure () -> String) {
        state = .done
        let end = tunnel.log.beginExchange { "\(Self.name(context.remoteAddress)) <-> \(name())" }
        let relay = TCPRelay(loop: context.eventLoop, plan: plan, group: group, counters: tunnel.counters) { end?() }
        do {
            try relay.install(near: RelayEnd(channel: context.channel, early: early), far: far)
            early = EarlyBytes()
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        } catch {
            far.channel.close(promise: nil)
            context.close(promise: nil)
        }
    }

    private func sendProxyHeader(_ connection: TargetDialer.Connection, _ context: ChannelHandlerContext) {
        guard
            let user = context.remoteAddress,
            let header = ProxyHeader.bytes(
                plan.proxyProtocol,
                user: user,
                target: connection.address,
                allocator: context.channel.allocator
            )
        else { return }
        connection.channel.writeAndFlush(header, promise: nil)
    }

    private static func name(_ address: SocketAddress?) -> String {
        address.map { Endpoint($0).description } ?? "unknown"
    }
}

/// The first handler of a connection whose first bytes may still show a blocked protocol.
///
/// It stays after the target has been dialled: a client that waits longer than the sniff wait is
/// still judged.
final class ProtocolGuardHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let sniffer: ProtocolSniffer
    private let log: TunnelLog
    private var held = ByteBuffer()
    private var followsBlank = false

    init(sniffer: ProtocolSniffer, log: TunnelLog) {
        self.sniffer = sniffer
        self.log = log
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = Self.unwrapInboundIn(data)
        held.writeBuffer(&bytes)
        switch sniffer.judge(held.readableBytesView, followsBlank: followsBlank) {
        case .undecided:
            // With reads on, the next one comes by itself; with reads off, it has to be asked for.
            context.read()
        case .blank:
            // Somebody may press Enter at a terminal: the lines are passed on, and what follows is judged.
            followsBlank = true
            passOn(context)
        case .allowed:
            release(context)
        case .blocked(let kind):
            let user = context.remoteAddress.map { Endpoint($0).description } ?? "unknown"
            log.write(.warn, .blocked, "Blocked \(kind) connection from \(user)")
            context.close(promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Nothing more will come: what is there is too little to be a blocked protocol.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent, held.readableBytes > 0 { release(context) }
        context.fireUserInboundEventTriggered(event)
    }

    private func passOn(_ context: ChannelHandlerContext) {
        let bytes = held
        held = ByteBuffer()
        context.fireChannelRead(Self.wrapInboundOut(bytes))
        context.fireChannelReadComplete()
    }

    private func release(_ context: ChannelHandlerContext) {
        passOn(context)
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }
}
