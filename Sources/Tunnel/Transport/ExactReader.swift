import NIOCore

/// Reads exactly so many bytes off a channel that reads by itself, hands them over with whatever
/// came behind, and leaves.
final class ExactReader: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let length: Int
    private var held = ByteBuffer()
    private let patience: TimeAmount
    private var deadline: Scheduled<Void>?
    private var done: ((Result<(bytes: [UInt8], rest: ByteBuffer), any Error>) -> Void)?

    /// `done` is called once, with an error when the channel ended or `patience` ran out first; the
    /// channel is closed then.
    init(
        length: Int,
        within patience: TimeAmount,
        done: @escaping (Result<(bytes: [UInt8], rest: ByteBuffer), any Error>) -> Void
    ) {
        self.length = length
        self.patience = patience
        self.done = done
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let patience = patience
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: patience) {
            self.fail(ChannelError.connectTimeout(patience), context)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = Self.unwrapInboundIn(data)
        held.writeBuffer(&bytes)
        guard let head = held.readBytes(length: length), let report = finish() else { return }
        // What comes while it reports is not its any more.
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        report(.success((head, held)))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { fail(ChannelError.eof, context) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(ChannelError.eof, context)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(error, context)
    }

    private func fail(_ error: any Error, _ context: ChannelHandlerContext) {
        finish()?(.failure(error))
        context.close(promise: nil)
    }

    private func finish() -> ((Result<(bytes: [UInt8], rest: ByteBuffer), any Error>) -> Void)? {
        deadline?.cancel()
        defer { done = nil }
        return done
    }
}
