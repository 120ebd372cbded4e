import Glibc
import NIOCore
import NIOSSL
import NIOTLS

/// The server's side of the sealed handshake on one connection, from TLS on.
///
/// The connection keeps its place among the unproven ones until it is closed. Everything that ends it
/// before the client is proven counts as a guess at the key.
final class SealedPortHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case securing
        case awaitingHello
        case awaitingProof(SealedServer)
        /// The answer to the contender of this number is being decided; what else it sends is
        /// discarded.
        case deciding(Int?, SealedHandshake.Secrets)
        case answered
        case done
    }

    private let end: ServerEnd
    private let acceptance: SealedAcceptance
    private let address: String
    private let place: UnprovenPlace
    /// When it has to be over.
    private let limit: NIODeadline
    private var state = State.securing
    private var frames = SealedFrames()
    private var deadline: Scheduled<Void>?

    init(end: ServerEnd, acceptance: SealedAcceptance, address: String, place: UnprovenPlace, limit: NIODeadline) {
        self.end = end
        self.acceptance = acceptance
        self.address = address
        self.place = place
        self.limit = limit
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        deadline = context.eventLoop.assumeIsolated().scheduleTask(deadline: limit) {
            self.fail("the sealed handshake took too long", channel)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent {
            if case .securing = state { state = .awaitingHello }
        } else if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            // A client of ours that still wants the answer keeps its side open.
            fail(Self.hungUp, context.channel)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .awaitingHello, .awaitingProof: break
        case .securing, .deciding, .answered, .done: return
        }
        do {
            guard let message = try frames.append(Self.unwrapInboundIn(data).readableBytesView) else { return }
            try received(message, context)
        } catch SealedHandshake.Problem.notProven {
            fail("the client did not prove the tunnel key", context.channel)
        } catch {
            fail(Self.words(for: error), context.channel)
        }
    }

    private func received(_ message: [UInt8], _ context: ChannelHandlerContext) throws {
        guard case .awaitingProof(let server) = state else {
            let server = try SealedServer(key: end.tunnelKey, channel: acceptance.channel, hello: message)
            state = .awaitingProof(server)
            return send(server.proof, context, promise: nil)
        }
        let (request, secrets) = try server.request(message)
        state = .deciding(nil, secrets)
        let nonce = acceptance.channel.serverNonce
        let keys = SessionKeys.sealed(
            secrets.sessionKey,
            fingerprint: acceptance.credentials.certificate.fingerprint
        )
        end.noteSealed(address) { problem in
            guard case .deciding = self.state else { return }
            if let problem { return self.write(.refused(problem), context) }
            let number = self.end.answer(request, keys, nonce: nonce, from: self.address) {
                self.write($0, context)
            }
            if case .deciding = self.state { self.state = .deciding(number, secrets) }
        }
    }

    private func write(_ answer: HandshakeAnswer, _ context: ChannelHandlerContext) {
        guard case .deciding(_, let secrets) = state else { return }
        state = .answered
        deadline?.cancel()
        let channel = context.channel
        let written = context.eventLoop.makePromise(of: Void.self)
        send(secrets.seal(SealedAnswer(answer).bytes, from: .server), context, promise: written)
        // Closing all of it now could lose the answer to a reset.
        written.futureResult.assumeIsolated().whenComplete { _ in channel.close(mode: .output, promise: nil) }
        deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.answeredLinger)) {
            channel.cut()
        }
    }

    private func send(_ message: [UInt8], _ context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        context.writeAndFlush(
            Self.wrapOutboundOut(ByteBuffer(bytes: SealedFrames.encode(message))),
            promise: promise
        )
    }

    /// Ends it; nothing more is sent.
    private func fail(_ why: String, _ channel: any Channel) {
        notProven(why)
        channel.cut()
    }

    private func notProven(_ why: String) {
        switch state {
        case .securing, .awaitingHello: end.sealedFailed(address, why, hasProven: false)
        case .awaitingProof: end.sealedFailed(address, why, hasProven: true)
        case .deciding(let number, _): if let number { end.withdraw(number) }
        case .answered, .done: break
        }
        state = .done
    }

    func channelInactive(context: ChannelHandlerContext) {
        notProven(Self.hungUp)
        deadline?.cancel()
        place.leave()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(Self.words(for: error), context.channel)
    }

    private static let hungUp = "the client hung up before it proved the key"

    /// A client that has found out that the keys differ goes without a word, which TLS and the system
    /// have names for.
    private static func words(for error: any Error) -> String {
        switch error {
        case NIOSSLError.uncleanShutdown: hungUp
        case let error as IOError: error.errnoCode == ECONNRESET || error.errnoCode == EPIPE ? hungUp : error.problem
        case SealedHandshake.Problem.malformed(let why): why
        default: ErrorText.words(for: error)
        }
    }
}

/// A server's acceptance of a client's offer: what it answers, and what both prove then.
struct SealedAcceptance {
    /// The reply, after which TLS begins.
    let text: String
    let credentials: ServerCredentials.Loaded
    let channel: SealedHandshake.Channel

    init(_ offer: SealedOffer, _ credentials: ServerCredentials.Loaded) {
        let nonce = SealedHandshake.makeNonce()
        let (head, text) = offer.acceptance(nonce: nonce)
        self.text = text
        self.credentials = credentials
        channel = SealedHandshake.Channel(
            requestHead: offer.head,
            service: offer.serviceDigest,
            replyHead: head,
            clientNonce: offer.nonce,
            serverNonce: nonce,
            certificateDigest: CertificateSummary.digest(of: credentials.certificate.fingerprint)
        )
    }
}
