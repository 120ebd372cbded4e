import NIOCore

/// Pool type 2 on the client: each link is a WebSocket in a connection of its own.
struct WebSocketLinkDialer: LinkDialer {
    let stream: StreamLinkDialer
    let host: String
    let path: String
    let manner: WebSocketHandler.Manner
    /// Whether TLS is with a proxy, of whose certificate the server knows nothing.
    var isBehindProxy = false

    func dial(
        on loop: any EventLoop,
        for purpose: DescriptorPlan.Purpose
    ) -> EventLoopFuture<NIOLoopBound<LinkChannel>> {
        stream.dial(on: loop, for: purpose).assumeIsolated().flatMap { self.upgrade($0.value) }.nonisolated()
    }

    private func upgrade(_ carrier: LinkChannel) -> EventLoopFuture<NIOLoopBound<LinkChannel>> {
        let channel = carrier.channel
        let upgraded = channel.eventLoop.makePromise(of: NIOLoopBound<LinkChannel>.self)
        let handler = WebSocketUpgradeHandler(path: path, host: host, manner: manner) { result in
            upgraded.completeWith(
                result.map {
                    let link = LinkChannel(channel: channel, fingerprint: isBehindProxy ? nil : carrier.fingerprint)
                    return NIOLoopBound(link, eventLoop: channel.eventLoop)
                }
            )
        }
        let timeout = stream.timeout
        let deadline = channel.eventLoop.assumeIsolated().scheduleTask(in: timeout) {
            upgraded.fail(ChannelError.connectTimeout(timeout))
        }
        upgraded.futureResult.assumeIsolated().whenComplete { result in
            deadline.cancel()
            if case .failure = result { channel.cut() }
        }
        do {
            try channel.pipeline.syncOperations.addHandler(handler)
        } catch {
            upgraded.fail(error)
        }
        return upgraded.futureResult
    }
}

/// Asks a server for a WebSocket, and makes way for it.
private final class WebSocketUpgradeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let upgrade = WebSocketUpgrade()
    private let path: String
    private let host: String
    private let manner: WebSocketHandler.Manner
    private var reader = HandshakeReplyReader()
    private var report: ((Result<Void, any Error>) -> Void)?

    init(
        path: String,
        host: String,
        manner: WebSocketHandler.Manner,
        report: @escaping (Result<Void, any Error>) -> Void
    ) {
        self.path = path
        self.host = host
        self.manner = manner
        self.report = report
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let request = upgrade.request(path: path, host: host)
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received(reader.append(Self.unwrapInboundIn(data).readableBytesView), context)
    }

    private func received(_ parsed: HandshakeReply.Parsed, _ context: ChannelHandlerContext) {
        switch parsed {
        case .incomplete: break
        case .malformed(let why): finish(.failure(WebSocketRefusal.malformed(why)))
        case .reply(let reply):
            guard reply.status == 101 else {
                return finish(.failure(WebSocketRefusal.status(reply.status, reply.quotedBody)))
            }
            guard upgrade.isAccepted(by: reader.lines) else { return finish(.failure(WebSocketRefusal.badAcceptance)) }
            begin(context, first: reply.body)
        }
    }

    /// `first` came behind the server's answer: its first frames.
    private func begin(_ context: ChannelHandlerContext, first: [UInt8]) {
        do {
            try context.pipeline.syncOperations.addHandler(WebSocketHandler(manner), position: .after(self))
        } catch {
            return finish(.failure(error))
        }
        finish(.success(()))
        if !first.isEmpty { context.fireChannelRead(NIOAny(ByteBuffer(bytes: first))) }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { received(reader.end(), context) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.failure(ChannelError.eof))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(.failure(error))
    }

    private func finish(_ result: Result<Void, any Error>) {
        let report = report
        self.report = nil
        report?(result)
    }
}
