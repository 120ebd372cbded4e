import NIOCore

/// Cuts a connection that sends more than anyone needs to before a link in it is proven.
///
/// Whatever its framing: a stranger may make the loop read a few frames, not as many as the line carries.
final class UnprovenByteLimit: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private var left: Int
    private let exceeded: () -> Void
    private var context: ChannelHandlerContext?

    init(limitBytes: Int, exceeded: @escaping () -> Void) {
        left = limitBytes
        self.exceeded = exceeded
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    /// A link is proven.
    func lift() {
        guard let context else { return }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard left >= 0 else { return }
        left -= Self.unwrapInboundIn(data).readableBytes
        guard left < 0 else { return context.fireChannelRead(data) }
        exceeded()
        context.channel.cut()
    }
}
