import NIOCore

/// The control link's channel: lines in, signals out.
final class ControlHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Event {
        case signal(Signal)
        case badLine(SignalCodec.BadLine)
        /// The link cannot be used any more: it was closed, or the peer broke its rules.
        case ended(String)
    }

    private var codec: SignalCodec
    private var lines = SignalLines()
    private let queueLimit: Int
    private var queued = 0
    private var onEvent: ((Event) -> Void)?
    private var context: ChannelHandlerContext?

    /// `queueLimit` signals may wait for a peer that does not read.
    init(codec: SignalCodec, queueLimit: Int, onEvent: @escaping (Event) -> Void) {
        self.codec = codec
        self.queueLimit = queueLimit
        self.onEvent = onEvent
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func send(_ signal: Signal) {
        guard let context, context.channel.isActive else { return }
        guard queued < queueLimit else { return end("the peer does not read its control link") }
        queued += 1
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in self.queued -= 1 }
        context.writeAndFlush(Self.wrapOutboundOut(codec.encode(signal)), promise: written)
    }

    /// Closes; no event comes any more.
    func close() {
        onEvent = nil
        context?.channel.closeAtOnce()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        receive(Self.unwrapInboundIn(data))
    }

    func receive(_ bytes: ByteBuffer) {
        lines.append(bytes)
        do {
            while onEvent != nil, let line = try lines.next() {
                do {
                    onEvent?(.signal(try codec.decode(line)))
                } catch {
                    onEvent?(.badLine(error))
                }
            }
        } catch {
            end("the peer sent a signal line longer than \(TunnelLimits.signalLineBytes) bytes")
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { end("the peer closed the control link") }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end("the control link was cut")
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end("the control link failed: \(ErrorText.words(for: error))")
    }

    private func end(_ why: String) {
        let report = onEvent
        close()
        report?(.ended(why))
    }
}
