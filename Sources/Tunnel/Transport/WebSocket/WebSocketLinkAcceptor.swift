import NIOCore

/// Pool type 2 on the server: each accepted connection becomes a WebSocket, inside TLS or bare.
struct WebSocketLinkAcceptor: LinkAcceptor {
    let stream: StreamLinkAcceptor
    let place: HandshakePlace

    // Proxies and CDNs connect on behalf of the client.
    var checksAddress: Bool { false }
    var clientSpeaksFirst: Bool { true }
    var openingBytes: Int { stream.openingBytes }

    func recognizes(_ first: UInt8) -> Bool {
        stream.isSecured && stream.recognizes(first)
    }

    func recognizes(_ request: HandshakeRequest) -> Bool {
        // Inside TLS the request comes later.
        !stream.isSecured && place.takesLink(request)
    }

    func accept(
        _ channel: any Channel,
        _ opening: LinkOpening,
        for session: LinkSession,
        deliver: @escaping (LinkChannel) -> Void
    ) {
        switch opening {
        case .upgrade(let upgrade):
            Self.answer(upgrade, LinkChannel(channel: channel, fingerprint: nil), session, deliver)
        case .bytes:
            stream.accept(channel, opening, for: session) { carrier in
                let reader = WebSocketRequestHandler(takes: session.takesRequest) { upgrade in
                    guard let upgrade else {
                        session.reject("no request for a WebSocket")
                        return carrier.channel.cut()
                    }
                    Self.answer(upgrade, carrier, session, deliver)
                }
                do {
                    try carrier.channel.pipeline.syncOperations.addHandler(reader)
                } catch {
                    carrier.channel.cut()
                }
            }
        }
    }

    private static func answer(
        _ upgrade: WebSocketUpgrade,
        _ carrier: LinkChannel,
        _ session: LinkSession,
        _ deliver: (LinkChannel) -> Void
    ) {
        let channel = carrier.channel
        guard session.hasRoom() else {
            let written = channel.eventLoop.makePromise(of: Void.self)
            channel.writeAndFlush(ByteBuffer(string: WebSocketUpgrade.poolFull), promise: written)
            return written.futureResult.assumeIsolated().whenComplete { _ in channel.closeAtOnce() }
        }
        channel.writeAndFlush(ByteBuffer(string: upgrade.acceptance), promise: nil)
        do {
            let handler = WebSocketHandler(WebSocketHandler.Manner(.server, session.terms))
            try channel.pipeline.syncOperations.addHandler(handler)
            deliver(LinkChannel(channel: channel, fingerprint: carrier.fingerprint))
        } catch {
            channel.cut()
        }
    }
}

/// Reads the request for a WebSocket inside TLS; anything else ends the connection.
private final class WebSocketRequestHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let takes: (HandshakeRequest) -> Bool
    private var head = HTTPHead()
    private var answer: ((WebSocketUpgrade?) -> Void)?

    /// `answer` gets nil for anything else.
    init(takes: @escaping (HandshakeRequest) -> Bool, answer: @escaping (WebSocketUpgrade?) -> Void) {
        self.takes = takes
        self.answer = answer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let answer else { return }
        let upgrade: WebSocketUpgrade?
        switch HandshakeRequest.parse(head.append(Self.unwrapInboundIn(data).readableBytesView)) {
        case .incomplete: return
        case .request(let request): upgrade = takes(request) ? request.webSocket : nil
        case .malformed: upgrade = nil
        }
        self.answer = nil
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        answer(upgrade)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { context.channel.cut() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.channel.cut()
    }
}
