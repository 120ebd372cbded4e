import Crypto
import NIOCore
import NIOSSL
import NIOTLS

/// A client's side of the sealed handshake on one connection: the request, TLS, then the messages.
///
/// Keeps its promise once; the caller closes the connection then.
final class SealedClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        case asking(HandshakeReplyReader)
        /// TLS is being set up; the nonce and the head are the server's.
        case securing(NIOSSLClientHandler, nonce: [UInt8], head: [UInt8])
        case awaitingProof(SealedClient, fingerprint: String)
        case awaitingAnswer(SealedHandshake.Secrets, fingerprint: String)
        case done
    }

    private let key: String
    private let request: SealedRequest
    private let offer: SealedOffer
    private let text: String
    /// What a verified certificate has to be for.
    private let host: String
    private let sealing: @Sendable () throws -> NIOSSLClientHandler
    private let commit: @Sendable () -> Bool
    private let agreement: EventLoopPromise<SessionAgreement>
    private var state = State.asking(HandshakeReplyReader())
    private var frames = SealedFrames()
    private var hasAsked = false

    /// `commit` says whether the session is still wanted, before the server is asked to begin it.
    init(
        key: String,
        request: SealedRequest,
        host: String,
        path: String,
        service: String? = nil,
        isBehindProxy: Bool,
        ticket: String? = nil,
        sealing: @escaping @Sendable () throws -> NIOSSLClientHandler,
        commit: @escaping @Sendable () -> Bool = { true },
        agreement: EventLoopPromise<SessionAgreement>
    ) {
        self.key = key
        self.request = request
        self.host = host
        self.sealing = sealing
        self.commit = commit
        self.agreement = agreement
        (offer, text) = SealedOffer.make(
            host: host,
            path: path,
            service: service,
            isBehindProxy: isBehindProxy,
            nonce: SealedHandshake.makeNonce(),
            ticket: ticket
        )
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { ask(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        ask(context)
        context.fireChannelActive()
    }

    private func ask(_ context: ChannelHandlerContext) {
        guard !hasAsked else { return }
        hasAsked = true
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Self.unwrapInboundIn(data).readableBytesView
        do {
            switch state {
            case .asking(var reader):
                // The state's copy would make every append copy what is held.
                state = .done
                let parsed = reader.append(bytes)
                state = .asking(reader)
                try received(parsed, reader.lines, context)
            case .awaitingProof, .awaitingAnswer:
                if let message = try frames.append(bytes) { try received(message, context) }
            case .securing: throw SealedHandshake.Problem.malformed("bytes before TLS")
            case .done: break
            }
        } catch {
            fail(error)
        }
    }

    private func received(
        _ parsed: HandshakeReply.Parsed,
        _ lines: [Substring],
        _ context: ChannelHandlerContext
    ) throws {
        switch parsed {
        case .incomplete: return
        case .malformed(let why): throw HandshakeProblem.malformed(why)
        case .reply(let reply):
            guard reply.status == 101, let (nonce, head) = offer.readAcceptance(lines) else {
                throw HandshakeProblem.notSealed(status: reply.status, reply.quotedBody)
            }
            guard reply.body.isEmpty else { throw SealedHandshake.Problem.malformed("bytes before TLS") }
            let tls = try sealing()
            state = .securing(tls, nonce: nonce, head: head)
            try context.pipeline.syncOperations.addHandler(tls, position: .before(self))
        }
    }

    /// TLS is up: the certificate is a part of what is proven from here on.
    private func secured(_ context: ChannelHandlerContext) throws {
        guard case .securing(let tls, let nonce, let head) = state else { return }
        guard let certificate = tls.peerCertificate else {
            throw SealedHandshake.Problem.malformed("the server showed no certificate")
        }
        let fingerprint = try CertificateSummary.fingerprint(of: certificate)
        let channel = SealedHandshake.Channel(
            requestHead: offer.head,
            service: offer.serviceDigest,
            replyHead: head,
            clientNonce: offer.nonce,
            serverNonce: nonce,
            certificateDigest: CertificateSummary.digest(of: fingerprint)
        )
        let client = try SealedClient(key: key, channel: channel)
        state = .awaitingProof(client, fingerprint: fingerprint)
        send(client.hello, context)
    }

    private func received(_ message: [UInt8], _ context: ChannelHandlerContext) throws {
        switch state {
        case .awaitingProof(let client, let fingerprint):
            let (answer, secrets) = try client.prove(message, request: request)
            guard commit() else { throw HandshakeProblem.notWanted }
            state = .awaitingAnswer(secrets, fingerprint: fingerprint)
            send(answer, context)
        case .awaitingAnswer(let secrets, let fingerprint):
            switch try SealedAnswer(bytes: secrets.open(message, from: .server)) {
            case .refused(let status, let why): throw HandshakeProblem.refused(status: status, why)
            case .terms(let terms):
                state = .done
                agreement.succeed(
                    SessionAgreement(terms: terms, keys: .sealed(secrets.sessionKey, fingerprint: fingerprint))
                )
            }
        case .asking, .securing, .done: break
        }
    }

    private func send(_ message: [UInt8], _ context: ChannelHandlerContext) {
        context.writeAndFlush(
            Self.wrapOutboundOut(ByteBuffer(bytes: SealedFrames.encode(message))),
            promise: nil
        )
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent {
            do { try secured(context) } catch { fail(error) }
        } else if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            ended()
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(CertificateRefusal.described(error, on: context, name: host))
    }

    /// The server has sent all it will.
    private func ended() {
        guard case .asking(var reader) = state else {
            return fail(SealedHandshake.Problem.malformed("the server closed the connection"))
        }
        switch reader.end() {
        case .reply(let reply): fail(HandshakeProblem.notSealed(status: reply.status, reply.quotedBody))
        case .malformed(let why): fail(HandshakeProblem.malformed(why))
        case .incomplete: fail(ChannelError.eof)
        }
    }

    private func fail(_ error: any Error) {
        state = .done
        agreement.fail(error)
    }
}
