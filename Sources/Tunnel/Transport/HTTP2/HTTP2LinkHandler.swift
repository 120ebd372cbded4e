import NIOCore
import NIOHPACK
import NIOHTTP2

/// Makes one HTTP/2 stream a link: what is above it sees a stream of bytes with two halves.
final class HTTP2LinkHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = HTTP2Frame.FramePayload

    enum Role {
        case client(authority: String)
        /// `opened` is called with the stream once its client has sent the first byte.
        case server(hasRoom: () -> Bool, opened: (any Channel) -> Void)
    }

    private enum State {
        case awaitingHead
        case awaitingFirstByte
        case open
        /// It was refused.
        case over
    }

    private let role: Role
    private var state = State.awaitingHead
    private var hasSentHead = false
    private var hasInputEnded = false
    private var hasOutputEnded = false
    private var isClosing = false
    private var closeLimit: Scheduled<Void>?
    /// The last bytes that were written; what is written behind them waits for the peer's window.
    private var lastWrite: EventLoopFuture<Void>?

    init(_ role: Role) {
        self.role = role
    }

    func channelActive(context: ChannelHandlerContext) {
        if case .client(let authority) = role, !hasSentHead {
            sendHead(HTTP2Link.request(authority: authority), context)
            write(ByteBuffer(integer: HTTP2Link.firstByte), endsStream: false, context, promise: nil)
            context.flush()
        }
        context.fireChannelActive()
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch Self.unwrapInboundIn(data) {
        case .headers(let head): received(head.headers, endsStream: head.endStream, context)
        case .data(let data):
            guard case .byteBuffer(let bytes) = data.data else { return }
            received(bytes, context)
            if data.endStream { inputEnded(context) }
        default: break
        }
    }

    private func received(_ headers: HPACKHeaders, endsStream: Bool, _ context: ChannelHandlerContext) {
        if case .awaitingHead = state {
            switch role {
            case .client:
                guard HTTP2Link.isAcceptance(headers) else { return refuse(context) }
                state = .open
            case .server(let hasRoom, _):
                guard HTTP2Link.isRequest(headers), !endsStream, hasRoom() else { return refuse(context) }
                state = .awaitingFirstByte
            }
        }
        // The trailers of a server that ends the stream, or a head without a body.
        if endsStream { inputEnded(context) }
    }

    private func received(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        var bytes = bytes
        switch state {
        case .awaitingHead, .over: return
        case .awaitingFirstByte:
            guard bytes.readInteger(as: UInt8.self) != nil else { return }
            state = .open
            if case .server(_, let opened) = role { opened(context.channel) }
        case .open: break
        }
        if bytes.readableBytes > 0 { context.fireChannelRead(Self.wrapInboundOut(bytes)) }
    }

    private func inputEnded(_ context: ChannelHandlerContext) {
        guard !hasInputEnded else { return }
        hasInputEnded = true
        // A stream that is no link yet has nobody who waits for more.
        guard case .open = state else { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    }

    private func refuse(_ context: ChannelHandlerContext) {
        state = .over
        guard case .server = role else { return context.close(promise: nil) }
        sendHead(HTTP2Link.refusal, context)
        write(ByteBuffer(string: HTTP2Link.refusalBody), endsStream: true, context, promise: nil)
        hasOutputEnded = true
        context.flush()
        reset(context)
    }

    // MARK: Writing

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = Self.unwrapOutboundIn(data)
        guard bytes.readableBytes > 0 else {
            // Says when everything before it has been written; a frame without bytes would be counted
            // against us.
            guard let lastWrite else { return promise?.succeed() ?? () }
            return lastWrite.cascade(to: promise)
        }
        guard !hasOutputEnded else { return promise?.fail(ChannelError.outputClosed) ?? () }
        if case .server = role, !hasSentHead { sendHead(HTTP2Link.acceptance, context) }
        var rest = bytes
        while let piece = rest.readSlice(length: min(rest.readableBytes, TunnelLimits.http2WriteBytes)) {
            let isLast = rest.readableBytes == 0
            write(piece, endsStream: false, context, promise: isLast ? promise : nil)
            if isLast { return }
        }
    }

    private func sendHead(_ headers: HPACKHeaders, _ context: ChannelHandlerContext) {
        hasSentHead = true
        context.write(Self.wrapOutboundOut(.headers(.init(headers: headers))), promise: nil)
    }

    private func write(
        _ bytes: ByteBuffer,
        endsStream: Bool,
        _ context: ChannelHandlerContext,
        promise: EventLoopPromise<Void>?
    ) {
        let promise = promise ?? context.eventLoop.makePromise(of: Void.self)
        lastWrite = promise.futureResult
        context.write(
            Self.wrapOutboundOut(.data(.init(data: .byteBuffer(bytes), endStream: endsStream))),
            promise: promise
        )
    }

    // MARK: Ending

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .output:
            endOutput(context)
            promise?.succeed()
        case .input: promise?.fail(ChannelError.operationUnsupported)
        case .all:
            // The end comes before the reset, so that the peer takes everything for sent.
            endOutput(context)
            context.channel.closeFuture.cascade(to: promise)
            reset(context)
        }
    }

    /// Gives the stream up once everything has been written, which a reset would drop; a peer whose window
    /// is closed has a limit.
    private func reset(_ context: ChannelHandlerContext) {
        guard !isClosing, let lastWrite else { return context.close(promise: nil) }
        isClosing = true
        let limit = TimeAmount(TunnelLimits.closingAlertWait)
        closeLimit = context.eventLoop.assumeIsolated().scheduleTask(in: limit) { context.close(promise: nil) }
        lastWrite.assumeIsolated().whenComplete { _ in
            self.closeLimit?.cancel()
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        closeLimit?.cancel()
        context.fireChannelInactive()
    }

    private func endOutput(_ context: ChannelHandlerContext) {
        guard !hasOutputEnded, context.channel.isActive else { return }
        hasOutputEnded = true
        if case .server = role, !hasSentHead { sendHead(HTTP2Link.acceptance, context) }
        write(ByteBuffer(), endsStream: true, context, promise: nil)
        context.flush()
    }
}
