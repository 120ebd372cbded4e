import NIOCore
import NIOSSL
import NIOTLS

/// Gives a new pool connection its id, or learns it, and makes the link; later bytes go to the handler it adds.
final class ReferenceLinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let peer: ReferencePeer
    private var isIdentified = false
    private var early = ByteBuffer()
    private var fingerprint: String?
    private var failure: any Error = ChannelError.eof

    init(_ peer: ReferencePeer) {
        self.peer = peer
    }

    func channelActive(context: ChannelHandlerContext) {
        if peer.tls == nil { begin(context) }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted? = event as? TLSUserEvent { begin(context) }
        if case ChannelEvent.inputClosed? = event as? ChannelEvent, !isIdentified { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    private func begin(_ context: ChannelHandlerContext) {
        switch peer.role {
        case .server:
            guard let id = peer.newID() else { return context.close(promise: nil) }
            send(id[...], of: id, context)
        case .client:
            let certificate = try? context.pipeline.syncOperations.nioSSL_peerCertificate()
            fingerprint = (try? certificate?.toDERBytes()).map { referenceFingerprint(ofDER: $0) }
        }
    }

    private func send(_ rest: ArraySlice<UInt8>, of id: [UInt8], _ context: ChannelHandlerContext) {
        let count = peer.manners.contains(.givesIDsSlowly) ? 1 : rest.count
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(bytes: rest.prefix(count))), promise: nil)
        guard count < rest.count else { return identify(referenceID(id), context) }
        context.eventLoop.assumeIsolated().scheduleTask(in: peer.pause) {
            self.send(rest.dropFirst(count), of: id, context)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isIdentified else { return context.fireChannelRead(data) }
        early.writeImmutableBuffer(Self.unwrapInboundIn(data))
        guard peer.role == .client, let id = early.readBytes(length: 4) else { return }
        identify(referenceID(id), context)
    }

    private func identify(_ id: String, _ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        isIdentified = true
        let inbox = Awaited(ReferenceLink.Inbox())
        let link = ReferenceLink(id: id, fingerprint: fingerprint, channel: context.channel, inbox: inbox)
        let pipeline = context.pipeline.syncOperations
        do {
            try pipeline.addHandler(InboxFillingHandler(inbox), position: .after(self))
            if id == ReferencePeer.controlID {
                try pipeline.addHandler(ControlLineHandler(peer), position: .after(self))
            }
        } catch {
            return context.close(promise: nil)
        }
        peer.add(link)
        if early.readableBytes > 0 { context.fireChannelRead(Self.wrapInboundOut(early)) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = error
        // A peer that closes TCP without close_notify has ended, no more.
        guard case .uncleanShutdown? = error as? NIOSSLError else { return context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !isIdentified, peer.role == .client { peer.redial(after: failure) }
        context.fireChannelInactive()
    }
}

/// Cuts control into lines for the peer; only the end of the connection goes on.
private final class ControlLineHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let peer: ReferencePeer
    private var text = ByteBuffer()

    init(_ peer: ReferencePeer) {
        self.peer = peer
    }

    func handlerAdded(context: ChannelHandlerContext) {
        peer.startPinging(on: context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        text.writeImmutableBuffer(Self.unwrapInboundIn(data))
        while let end = text.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            let line = text.readSlice(length: end - text.readerIndex) ?? ByteBuffer()
            text.moveReaderIndex(forwardBy: 1)
            peer.receive(line.readableBytesView)
        }
        if text.readableBytes > ReferencePeer.lineLimitBytes { context.close(promise: nil) }
    }
}
