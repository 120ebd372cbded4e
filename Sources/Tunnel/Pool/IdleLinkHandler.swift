import NIOCore

/// Watches an idle link: keeps what a user sent ahead of the signal, and notices when the link
/// dies.
final class IdleLinkHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    enum Event {
        /// The peer will send nothing more; what it sent is kept.
        case inputEnded
        case closed
        /// The peer spoke on a link that is not its to use yet.
        case unexpectedBytes(ByteBuffer)
    }

    private var early: EarlyBytes
    private var heldBytes: Int
    private let expectsSilence: Bool
    private var onEvent: ((Event) -> Void)?

    init(early: ByteBuffer, expectsSilence: Bool, onEvent: @escaping (Event) -> Void) {
        self.early = EarlyBytes(buffers: early.readableBytes > 0 ? [early] : [])
        heldBytes = early.readableBytes
        self.expectsSilence = expectsSilence
        self.onEvent = onEvent
    }

    func takeEarly() -> EarlyBytes {
        onEvent = nil
        defer { early = EarlyBytes() }
        return early
    }

    func handlerAdded(context: ChannelHandlerContext) {
        guard heldBytes > 0 else { return }
        readByRequest(context)
        context.channel.readSoon()
    }

    /// From the first byte on no more is read than asked for, so that what is held stays within its
    /// limit.
    private func readByRequest(_ context: ChannelHandlerContext) {
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Self.unwrapInboundIn(data)
        guard onEvent != nil else { return context.fireChannelRead(data) }
        if expectsSilence { return emit(.unexpectedBytes(bytes)) }
        if heldBytes == 0 { readByRequest(context) }
        heldBytes += bytes.readableBytes
        early.buffers.append(bytes)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if (1..<TunnelLimits.linkEarlyBytes).contains(heldBytes), !early.hasEnded { context.read() }
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent, onEvent != nil {
            early.hasEnded = true
            emit(.inputEnded)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        emit(.closed)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func emit(_ event: Event) {
        onEvent?(event)
    }
}
