import Config
import NIOCore

/// The first handler of every connection to a server's tunnel port: finds out whether it is a handshake or a link, within
/// limits of bytes and time.
final class MeetingHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let tunnel: TunnelContext
    private var end: ServerEnd?
    private var address = ""
    private var held = ByteBuffer()
    private var state = State.waiting
    private var deadline: Scheduled<Void>?
    private var silence: Scheduled<Void>?

    private enum State {
        case waiting
        /// Nothing has come yet that says what it is.
        case listening(ServerEnd.Expectation)
        /// It is a request; its head is coming.
        case reading
        /// The answer is being found.
        case answering
        /// It is sent; the peer closes when it has read it.
        case answered
        case done
    }

    init(tunnel: TunnelContext) {
        self.tunnel = tunnel
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        guard case .waiting = state else { return }
        guard let end = tunnel.serverEnd, end.open() else { return context.close(promise: nil) }
        self.end = end
        address = context.remoteAddress.map { Endpoint($0).host } ?? ""
        let expectation = end.expectation(of: address)
        state = .listening(expectation)
        let loop = context.eventLoop.assumeIsolated()
        deadline = loop.scheduleTask(in: TimeAmount(tunnel.environment.handshakeTimeout)) {
            self.reject(context, "nothing useful came in time")
        }
        if case .silence = expectation {
            silence = loop.scheduleTask(in: TimeAmount(TunnelLimits.firstByteWait)) { self.becomeLink(context) }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = Self.unwrapInboundIn(data)
        held.writeBuffer(&bytes)
        silence?.cancel()
        switch state {
        case .listening(let expectation): judge(expectation, context)
        case .reading: read(context)
        case .waiting, .answering, .answered, .done: break
        }
    }

    private func judge(_ expectation: ServerEnd.Expectation, _ context: ChannelHandlerContext) {
        guard let first = held.readableBytesView.first, let end else { return }
        switch expectation {
        case .firstByte where end.acceptor.recognises(first): becomeLink(context)
        case .firstByte, .silence, .handshake:
            state = .reading
            read(context)
        }
    }

    private func read(_ context: ChannelHandlerContext) {
        switch HandshakeRequest.parse(held.readableBytesView) {
        case .incomplete: return
        case .malformed(let why):
            guard let end else { return }
            end.rejected(address, why)
            // Who speaks HTTP gets an answer; anything else is closed without a word.
            guard why != "not HTTP" else { return context.close(promise: nil) }
            write(end.refusal(.malformed), context)
        case .request(let request):
            state = .answering
            end?.answer(request, from: address) { self.write($0, context) }
        }
    }

    private func write(_ reply: String, _ context: ChannelHandlerContext) {
        if case .done = state { return }
        state = .answered
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: reply)), promise: written)
        // Closing all of it now could lose the reply to a reset.
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(mode: .output, promise: nil) }
    }

    private func becomeLink(_ context: ChannelHandlerContext) {
        guard case .listening = state, let end else { return }
        let first = held
        self.end = nil
        leave()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        end.admit(context.channel, first: first)
    }

    private func reject(_ context: ChannelHandlerContext, _ why: String) {
        switch state {
        case .waiting, .listening, .reading: end?.rejected(address, why)
        case .answering, .answered, .done: break
        }
        context.close(promise: nil)
    }

    /// It is nothing of ours any more.
    private func leave() {
        end?.closed()
        end = nil
        state = .done
        deadline?.cancel()
        silence?.cancel()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            if case .answering = state {} else { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        leave()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
