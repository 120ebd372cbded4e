import Config
import NIOCore
import NIOSSL

/// The first handler of every connection to a server's tunnel port: recognizes a handshake or a link,
/// within limits of bytes and time.
final class TunnelPortHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let port: TunnelPort
    private let descriptor: DescriptorPlace
    /// The server that a request is for.
    private var end: ServerEnd?
    private var place: UnprovenPlace?
    private var address = ""
    private var state = State.waiting
    private var deadline: Scheduled<Void>?
    private var silence: Scheduled<Void>?
    /// When the connection has to have become something.
    private var limit = NIODeadline.now()

    private enum State {
        case waiting
        /// Nothing has come yet that says what it is.
        case listening(TunnelPort.Expectation)
        /// It is a request, and its head is still arriving.
        case reading(HTTPHead)
        /// The answer to the contender of this number is being decided; what else it sends is
        /// discarded.
        case answering(Int?)
        /// The answer is sent; what else it sends is discarded until it closes.
        case answered
        case done
    }

    /// `descriptor` is the connection's, of no tunnel yet.
    init(port: TunnelPort, descriptor: DescriptorPlace) {
        self.port = port
        self.descriptor = descriptor
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
        guard !port.ends.isEmpty else { return context.close(promise: nil) }
        address = context.remoteAddress.map { Endpoint($0).host } ?? ""
        let expectation = port.expectation(of: address)
        state = .listening(expectation)
        let loop = context.eventLoop.assumeIsolated()
        limit = .now() + TimeAmount(port.first.environment.handshakeTimeout)
        deadline = loop.scheduleTask(deadline: limit) {
            self.reject(context, "no handshake or link arrived in time")
        }
        if case .silence = expectation {
            silence = loop.scheduleTask(in: TimeAmount(TunnelLimits.firstByteWait)) {
                self.becomeLink(context, .bytes(ByteBuffer()))
            }
        }
        // The place may outlive this handler in the pipeline.
        let bound = NIOLoopBound((self, context.channel), eventLoop: context.eventLoop)
        place = port.first.unproven.enter(from: context.remoteAddress.flatMap { IPAddress($0) }) {
            bound.eventLoop.execute {
                let (handler, channel) = bound.value
                handler.noteRejection("too many connections have not proven who they are")
                channel.cut()
            }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Self.unwrapInboundIn(data)
        silence?.cancel()
        switch state {
        case .listening(let expectation): judge(expectation, bytes, context)
        case .reading(let head): read(head, bytes, context)
        case .waiting, .answering, .answered, .done: break
        }
    }

    private func judge(_ expectation: TunnelPort.Expectation, _ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        guard let first = bytes.readableBytesView.first else { return }
        switch expectation {
        case .firstByte where port.recognizes(first, from: address): becomeLink(context, .bytes(bytes))
        case .firstByte, .silence, .handshake: read(HTTPHead(), bytes, context)
        }
    }

    private func read(_ head: HTTPHead, _ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        var head = head
        // The state's copy would make every append copy what is held.
        state = .answering(nil)
        switch HandshakeRequest.parse(head.append(bytes.readableBytesView)) {
        case .incomplete: state = .reading(head)
        case .malformed(let why):
            port.rejected(address, why)
            // A client that speaks HTTP gets an answer; anything else is closed without one.
            guard why != HTTPHead.notHTTP else { return context.close(promise: nil) }
            write(.refused(.malformed), context)
        case .request(let request):
            if let upgrade = request.webSocket { return takeUpgrade(request, upgrade, context) }
            choose(request, context)
        }
    }

    private func choose(_ request: HandshakeRequest, _ context: ChannelHandlerContext) {
        switch port.choice(for: request, from: address) {
        case nil: context.close(promise: nil)
        case .none(let why)?:
            port.rejected(address, why.rawValue)
            write(.refused(.misdirected(why)), context)
        case .indistinct(let end, let why)?:
            end.reportIndistinct(why, from: address)
            write(.refused(.misdirected(why)), context)
        case .end(let end)?:
            self.end = end
            if let offer = request.sealedOffer { return seal(request, offer, context) }
            let number = end.answer(request, from: address) { self.write($0, context) }
            if case .answering = state { state = .answering(number) }
        }
    }

    private func seal(_ request: HandshakeRequest, _ offer: SealedOffer, _ context: ChannelHandlerContext) {
        guard let end, let place else { return }
        switch end.accept(offer, of: request, from: address) {
        case .refused(let refusal): write(.refused(refusal), context)
        case .accepted(let acceptance):
            let next = SealedPortHandler(
                end: end,
                acceptance: acceptance,
                address: address,
                place: place,
                limit: limit
            )
            place.grow(by: TunnelLimits.unprovenTLSBytes)
            self.place = nil
            leave()
            context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: acceptance.text)), promise: nil)
            do {
                let tls = NIOSSLServerHandler(context: acceptance.credentials.context)
                try context.pipeline.syncOperations.addHandlers([tls, next], position: .after(self))
                context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
            } catch {
                place.leave()
                context.close(promise: nil)
            }
        }
    }

    /// A link's request that no session takes is no guess at the key: the client may have lost its server.
    private func takeUpgrade(
        _ request: HandshakeRequest,
        _ upgrade: WebSocketUpgrade,
        _ context: ChannelHandlerContext
    ) {
        guard !port.takesLink(request) else { return becomeLink(context, .upgrade(upgrade)) }
        port.rejected(address, "no session takes a link over WebSocket")
        write(.refused(.unavailable), context)
    }

    private func write(_ answer: HandshakeAnswer, _ context: ChannelHandlerContext) {
        guard case .answering = state else { return }
        state = .answered
        let written = context.eventLoop.makePromise(of: Void.self)
        let reply = ByteBuffer(string: HandshakeReply.text(of: answer))
        context.writeAndFlush(Self.wrapOutboundOut(reply), promise: written)
        // Closing all of it now could lose the reply to a reset.
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(mode: .output, promise: nil) }
        deadline?.cancel()
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.answeredLinger)) {
            context.close(promise: nil)
        }
    }

    private func becomeLink(_ context: ChannelHandlerContext, _ opening: LinkOpening) {
        guard let place else { return }
        self.place = nil
        leave()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        port.admit(context.channel, place, descriptor, opening)
    }

    private func reject(_ context: ChannelHandlerContext, _ why: String) {
        noteRejection(why)
        context.close(promise: nil)
    }

    private func noteRejection(_ why: String) {
        switch state {
        case .waiting, .listening, .reading: port.rejected(address, why)
        case .answering, .answered, .done: break
        }
    }

    /// The connection is not this handler's any more.
    private func leave() {
        if case .answering(let number?) = state { end?.withdraw(number) }
        place?.leave()
        place = nil
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
