import NIOCore
import NIOHTTP2

/// Watches one HTTP/2 connection that carries links: how many it may have, whether they are there, and
/// its end, which comes with the last of them.
final class HTTP2Connection: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private let pingInterval: TimeAmount?
    /// Links that have been begun and have not ended.
    private(set) var links = 0
    /// Streams that its client has opened.
    private(set) var opened = 0
    private var peerAllows: Int?
    private var isGoingAway = false
    private var pings: RepeatedTask?
    private var context: ChannelHandlerContext?
    /// Called once, when the peer has said how many streams it takes, or the connection has ended.
    private var onReady: ((Bool) -> Void)?
    /// Called when the peer broke a rule that ends the connection.
    private let onBreach: () -> Void

    /// A client pings, which keeps a v1.14 server from closing the connection.
    init(
        pingInterval: TimeAmount? = nil,
        onBreach: @escaping () -> Void = {},
        onReady: ((Bool) -> Void)? = nil
    ) {
        self.pingInterval = pingInterval
        self.onBreach = onBreach
        self.onReady = onReady
    }

    /// Whether another link may begin.
    var hasRoom: Bool {
        context?.channel.isActive == true && !isGoingAway && links < peerAllows ?? 0
    }

    /// A link begins.
    func begin() {
        links += 1
        opened += 1
    }

    /// A link has ended; the connection ends with the last one.
    func ended() {
        links -= 1
        if links == 0 { context?.channel.closeAtOnce() }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        guard let pingInterval else { return }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        pings = context.eventLoop.scheduleRepeatedTask(initialDelay: pingInterval, delay: pingInterval) { _ in
            bound.value.ping()
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        pings?.cancel()
        ready(false)
        self.context = nil
    }

    private func ping() {
        let ping = HTTP2Frame.FramePayload.ping(HTTP2PingData(), ack: false)
        context?.writeAndFlush(Self.wrapOutboundOut(HTTP2Frame(streamID: .rootStream, payload: ping)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch Self.unwrapInboundIn(data).payload {
        case .settings(.settings(let settings)):
            // Without one the number is not limited (RFC 9113 §6.5.2).
            let allowed = settings.last { $0.parameter == .maxConcurrentStreams }?.value
            peerAllows = min(allowed ?? peerAllows ?? .max, TunnelLimits.http2Streams)
            ready(true)
        case .goAway: isGoingAway = true
        default: break
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        pings?.cancel()
        ready(false)
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A connection has no half.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.channel.closeAtOnce() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Of one stream alone, which its own channel reports.
        guard !(error is NIOHTTP2Errors.StreamError) else { return }
        onBreach()
        context.channel.cut()
    }

    private func ready(_ isUp: Bool) {
        let report = onReady
        onReady = nil
        report?(isUp)
    }
}
