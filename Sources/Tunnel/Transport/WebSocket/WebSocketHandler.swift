import NIOCore

/// Carries a link's bytes in binary messages: what is above it sees a stream that can be half closed
/// where its peer knows how.
final class WebSocketHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// How its peer speaks.
    struct Manner: Sendable {
        /// The server's side is the one that does not mask.
        let side: SessionSide
        /// An empty message ends its sender's direction.
        let canHalfClose: Bool
        /// Each message is one datagram, and is passed on whole.
        let keepsMessages: Bool
        /// How often to ping, so that a proxy does not take an idle link for a dead one.
        let pingInterval: TimeAmount?

        init(_ side: SessionSide, _ terms: HandshakeTerms) {
            self.side = side
            canHalfClose = terms.extensions.contains(.halfClose)
            keepsMessages = !terms.extensions.contains(.datagramFrames)
            let pings = side == .client && !terms.extensions.isEmpty
            pingInterval = pings ? TimeAmount(TunnelLimits.webSocketPing) : nil
        }
    }

    private let manner: Manner
    private var reader: WebSocketFrameReader
    private var ending: WebSocketEnding
    /// The message that is arriving, where messages are passed on whole.
    private var message = ByteBuffer()
    private var closeStatus: UInt16 = 1000
    private var pings: RepeatedTask?
    private var closeLimit: Scheduled<Void>?
    private var random = SystemRandomNumberGenerator()

    init(_ manner: Manner) {
        self.manner = manner
        reader = WebSocketFrameReader(expectsMask: manner.side == .server)
        ending = WebSocketEnding(canHalfClose: manner.canHalfClose)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        guard let interval = manner.pingInterval else { return }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        pings = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            let (handler, context) = bound.value
            handler.send(.ping, ByteBuffer(), context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        pings?.cancel()
        closeLimit?.cancel()
    }

    // MARK: Reading

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        reader.append(Self.unwrapInboundIn(data))
        do {
            while !ending.isClosing, let event = try reader.next() { received(event, context) }
        } catch {
            closeStatus = error.status
            perform(ending.close(), context)
        }
    }

    private func received(_ event: WebSocketFrameReader.Event, _ context: ChannelHandlerContext) {
        switch event {
        case .data(let bytes, let endsMessage): pass(bytes, endsMessage, context)
        case .emptyMessage: perform(ending.receivedEmptyMessage(), context)
        case .ping(let payload): send(.pong, payload, context)
        case .pong: break
        case .close: perform(ending.receivedClose(), context)
        }
    }

    private func pass(_ bytes: ByteBuffer, _ endsMessage: Bool, _ context: ChannelHandlerContext) {
        var bytes = bytes
        if manner.keepsMessages {
            if message.readableBytes > 0 {
                message.writeBuffer(&bytes)
            } else {
                message = bytes
            }
            // A message beyond any datagram is a part of a stream.
            guard endsMessage || message.readableBytes >= TunnelLimits.webSocketMessageBytes else { return }
            (bytes, message) = (message, ByteBuffer())
        }
        if bytes.readableBytes > 0 { context.fireChannelRead(Self.wrapInboundOut(bytes)) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        // Without a Close before it: the peer, or a proxy, has gone.
        perform(ending.receivedClose(), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        pings?.cancel()
        closeLimit?.cancel()
        context.fireChannelInactive()
    }

    // MARK: Writing

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var bytes = Self.unwrapOutboundIn(data)
        // Says when everything before it has been written.
        guard bytes.readableBytes > 0 else { return context.write(data, promise: promise) }
        guard !ending.hasOutputEnded else { return promise?.fail(ChannelError.outputClosed) ?? () }
        while let piece = bytes.readSlice(length: min(bytes.readableBytes, TunnelLimits.webSocketWriteBytes)) {
            let isLast = bytes.readableBytes == 0
            write(.binary, piece, context, promise: isLast ? promise : nil)
            if isLast { return }
        }
    }

    private func write(
        _ opcode: WebSocketOpcode,
        _ payload: ByteBuffer,
        _ context: ChannelHandlerContext,
        promise: EventLoopPromise<Void>?
    ) {
        var payload = payload
        let mask = manner.side == .client ? UInt32.random(in: .min ... .max, using: &random) : nil
        let head = WebSocketFrameHead(opcode: opcode, length: payload.readableBytes, mask: mask)
        let isCopied = mask != nil || payload.readableBytes <= TunnelLimits.webSocketCopyBytes
        let capacity = WebSocketFrameHead.capacity + (isCopied ? payload.readableBytes : 0)
        var frame = context.channel.allocator.buffer(capacity: capacity)
        head.write(to: &frame)
        guard isCopied else {
            context.write(Self.wrapOutboundOut(frame), promise: nil)
            return context.write(Self.wrapOutboundOut(payload), promise: promise)
        }
        let start = frame.writerIndex
        frame.writeBuffer(&payload)
        if let mask {
            let beginning = frame.readerIndex
            frame.moveReaderIndex(to: start)
            frame.applyWebSocketMask(mask)
            frame.moveReaderIndex(to: beginning)
        }
        context.write(Self.wrapOutboundOut(frame), promise: promise)
    }

    /// A control frame; those that answer a peer wait for it to read, and there are not many of them.
    private func send(_ opcode: WebSocketOpcode, _ payload: ByteBuffer, _ context: ChannelHandlerContext) {
        // A peer that pings and does not read would fill the memory with answers.
        guard !ending.hasOutputEnded, context.channel.isWritable else { return }
        write(opcode, payload, context, promise: nil)
        context.flush()
    }

    // MARK: Ending

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch mode {
        case .output:
            perform(ending.endOutput(), context)
            promise?.succeed()
        case .input: context.close(mode: mode, promise: promise)
        case .all:
            context.channel.closeFuture.cascade(to: promise)
            perform(ending.close(), context)
        }
    }

    private func perform(_ actions: [WebSocketEnding.Action], _ context: ChannelHandlerContext) {
        if ending.hasOutputEnded { pings?.cancel() }
        for action in actions {
            switch action {
            case .sendEnd:
                write(.binary, ByteBuffer(), context, promise: nil)
                context.flush()
            case .sendClose:
                write(.close, ByteBuffer(integer: closeStatus), context, promise: nil)
                context.flush()
            case .endInput: context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            case .shut: shut(context)
            }
        }
    }

    /// Closes what is below once everything has been written; a peer that does not read has a limit.
    private func shut(_ context: ChannelHandlerContext) {
        let written = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        let limit = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.closingAlertWait)) {
            channel.cut()
        }
        closeLimit = limit
        written.futureResult.assumeIsolated().whenComplete { _ in
            limit.cancel()
            channel.closeStream { context.close(mode: .output, promise: $0) }
        }
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer()), promise: written)
    }
}
