import Config
import NIOCore
import NIOPosix

/// How a client's connections reach its server: directly, or through a proxy.
struct ServerRoute: Sendable {
    let server: Endpoint
    let proxy: ProxyAddress?

    /// What is looked up and connected to.
    var first: Endpoint { proxy?.endpoint ?? server }

    /// Completes when bytes reach the server; `timeout` is for the proxy's answer.
    func open(_ channel: any Channel, within timeout: TimeAmount) -> EventLoopFuture<any Channel> {
        guard let proxy else { return channel.eventLoop.makeSucceededFuture(channel) }
        let connected = channel.eventLoop.makePromise(of: (any Channel).self)
        let deadline = channel.eventLoop.assumeIsolated().scheduleTask(in: timeout) {
            connected.fail(ChannelError.connectTimeout(timeout))
        }
        connected.futureResult.assumeIsolated().whenComplete { result in
            deadline.cancel()
            if case .failure = result { channel.close(promise: nil) }
        }
        do {
            let handler = ProxyHandler(ProxyRequest(proxy, to: server), connected) { why in
                TunnelError(.proxyRefused, "the proxy \(proxy) does not connect to \(server): \(why)")
            }
            try channel.pipeline.syncOperations.addHandler(handler, position: .first)
        } catch {
            connected.fail(error)
        }
        return connected.futureResult
    }
}

/// Speaks with a proxy until it has connected, and leaves.
private final class ProxyHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var request: ProxyRequest
    private let connected: EventLoopPromise<any Channel>
    private let refusal: (String) -> TunnelError

    init(
        _ request: ProxyRequest,
        _ connected: EventLoopPromise<any Channel>,
        refusal: @escaping (String) -> TunnelError
    ) {
        self.request = request
        self.connected = connected
        self.refusal = refusal
    }

    func handlerAdded(context: ChannelHandlerContext) {
        send(request.greeting, context)
    }

    private func send(_ bytes: [UInt8], _ context: ChannelHandlerContext) {
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch request.received(Self.unwrapInboundIn(data).readableBytesView) {
        case .more: break
        case .send(let bytes): send(bytes, context)
        case .refused(let why): connected.fail(refusal(why))
        case .connected(let rest):
            connected.succeed(context.channel)
            if !rest.isEmpty { context.fireChannelRead(Self.wrapInboundOut(ByteBuffer(bytes: rest))) }
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { connected.fail(refusal("it hung up")) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        connected.fail(refusal("it hung up"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        connected.fail(error)
    }
}
