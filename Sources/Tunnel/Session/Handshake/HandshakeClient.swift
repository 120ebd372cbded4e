import Config
import NIOCore
import NIOPosix
import NIOSSL

/// Asks a server for its terms, sealed or as v1.14 does, each on one connection within the handshake
/// timeout.
struct HandshakeClient: Sendable {
    /// Which handshake a server has to take.
    enum Manner: Sendable {
        case plain
        /// Fails with this where the server does not.
        case sealed(otherwise: TunnelError)
        /// Sealed, else plain.
        case either
    }

    let manner: Manner
    let route: ServerRoute
    /// The value of the Host header.
    let host: String
    let path: String
    /// Which of the server's tunnels at its port is meant.
    var service: String?
    let tunnelKey: String
    let clientID: String
    let timeout: TimeAmount
    let place: DescriptorPlace
    /// Makes the TLS handler where the server is behind one that speaks it (port 443); nil for
    /// plain HTTP.
    let security: (@Sendable () throws -> NIOSSLClientHandler)?
    /// Whether a proxy may rewrite the heads of messages.
    let areHeadsUnbound: Bool
    /// Makes the TLS handler of the sealed handshake, which accepts any certificate.
    let sealing: @Sendable () throws -> NIOSSLClientHandler
    /// The right to a second connection beside one that is not answered.
    var secondPlace: @Sendable () -> DescriptorPlace? = { nil }
    /// Kinds of links that the server is not to choose.
    var unreachable: Set<PoolTransport> = []
    /// How long the server may keep the answer while another client has the tunnel.
    var wait = Duration.zero
    /// A ticket of a former session with this server, taken once the server can be shown it.
    var ticket: @Sendable () -> String? = { nil }
    /// Whether the session is still wanted; asked before what makes the server begin it.
    var commit: @Sendable () -> Bool = { true }

    /// What a server said, and at which of its addresses.
    struct Outcome: Sendable {
        let agreement: SessionAgreement
        let server: SocketAddress
    }

    /// Asks at each address in turn until one answers with terms.
    ///
    /// Fails with the last one's `TunnelError`: `PeerUnreachable`, `AuthFailed`, `PeerDowngraded`.
    func agree(with addresses: ArraySlice<SocketAddress>, on loop: any EventLoop) -> EventLoopFuture<Outcome> {
        guard let server = addresses.first else {
            return loop.makeFailedFuture(TunnelError(.nameNotResolved, "the server's name has no address"))
        }
        return agree(with: server, on: loop)
            .map { Outcome(agreement: $0, server: server) }
            .flatMapErrorThrowing { throw TunnelError.handshake($0) }
            .flatMapError { error in
                let rest = addresses.dropFirst()
                return rest.isEmpty ? loop.makeFailedFuture(error) : agree(with: rest, on: loop)
            }
    }

    private func agree(with server: SocketAddress, on loop: any EventLoop) -> EventLoopFuture<SessionAgreement> {
        switch manner {
        case .plain: plain(server, on: loop)
        case .sealed(let otherwise):
            sealed(server, on: loop).flatMapErrorThrowing { error in
                throw Self.isOfAnotherKind(error) ? otherwise : error
            }
        case .either:
            sealed(server, on: loop).flatMapError { error in
                Self.isOfAnotherKind(error) ? plain(server, on: loop) : loop.makeFailedFuture(error)
            }
        }
    }

    /// Whether the server answered a request for the sealed handshake as one that does not know it.
    ///
    /// A server of ours that knows it may be busy (429, 503) or not have the service (421), and one behind a proxy away (502, 504).
    private static func isOfAnotherKind(_ error: any Error) -> Bool {
        guard case HandshakeProblem.notSealed(let status, _) = error else { return false }
        return status < 500 && status != 429 && status != 421 || status == 501
    }

    private func plain(_ server: SocketAddress, on loop: any EventLoop) -> EventLoopFuture<SessionAgreement> {
        let token = HandshakeToken(tunnelKey: tunnelKey)
        let request = HandshakeRequest.text(host: host, path: path, token: token, clientID: clientID)
        return exchange(with: server, on: loop) {
            HandshakeReplyHandler(request: request, host: host, commit: commit, reply: $0)
        }
        .flatMapThrowing { (reply: HandshakeReply) in
            guard reply.status == 200 else {
                throw HandshakeProblem.refused(status: reply.status, reply.quotedBody)
            }
            let terms = try HandshakeTerms(body: reply.body)
            return SessionAgreement(terms: terms, keys: .tunnelKey(tunnelKey))
        }
    }

    private func sealed(_ server: SocketAddress, on loop: any EventLoop) -> EventLoopFuture<SessionAgreement> {
        exchange(with: server, on: loop) { agreement in
            SealedClientHandler(
                key: tunnelKey,
                request: SealedRequest(clientID: clientID, unreachable: unreachable, wait: wait),
                host: host,
                path: path,
                service: service,
                isBehindProxy: areHeadsUnbound,
                ticket: ticket(),
                sealing: sealing,
                commit: commit,
                agreement: agreement
            )
        }
    }

    /// Runs a handler that keeps its promise on a new connection, which is closed then.
    private func exchange<Reply: Sendable>(
        with server: SocketAddress,
        on loop: any EventLoop,
        _ handler: @escaping @Sendable (EventLoopPromise<Reply>) -> any ChannelHandler
    ) -> EventLoopFuture<Reply> {
        let reply = loop.makePromise(of: Reply.self)
        let deadline = loop.scheduleTask(in: timeout) { reply.fail(ChannelError.connectTimeout(timeout)) }
        RacingConnector(server: server, timeout: timeout, secondPlace: secondPlace) {
            $0.channelOption(.allowRemoteHalfClosure, value: true)
        }
        .connect(on: loop)
        .flatMap { channel in
            // Several connections may follow one another in this place: it is given back when the
            // last of them is closed and nobody asks any more.
            channel.closeFuture.whenComplete { _ in withExtendedLifetime(place) {} }
            return route.open(channel, within: timeout)
        }
        .whenComplete { result in
            switch result {
            case .success(let channel):
                reply.futureResult.assumeIsolated().whenComplete { result in
                    if case .success = result { channel.closeAtOnce() } else { channel.cut() }
                }
                channel.boundRetransmission()
                do {
                    let pipeline = channel.pipeline.syncOperations
                    if let security { try pipeline.addHandler(security()) }
                    try pipeline.addHandler(handler(reply))
                } catch {
                    reply.fail(error)
                }
            case .failure(let error): reply.fail(error)
            }
        }
        reply.futureResult.whenComplete { _ in deadline.cancel() }
        return reply.futureResult
    }
}

/// What a client and its server have agreed on.
struct SessionAgreement: Sendable {
    let terms: HandshakeTerms
    let keys: SessionKeys
}

extension HandshakeReply {
    /// The beginning of its body, for a log.
    var quotedBody: String { HTTPHead.quoted(String(decoding: body, as: UTF8.self)[...], limit: 200) }
}

/// Sends the request once the connection is up and collects the reply.
private final class HandshakeReplyHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let request: String
    private let host: String
    private let commit: @Sendable () -> Bool
    private let reply: EventLoopPromise<HandshakeReply>
    private var reader = HandshakeReplyReader()
    private var hasAsked = false
    private var isDone = false

    init(
        request: String,
        host: String,
        commit: @escaping @Sendable () -> Bool,
        reply: EventLoopPromise<HandshakeReply>
    ) {
        self.request = request
        self.host = host
        self.commit = commit
        self.reply = reply
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
        guard commit() else { return reply.fail(HandshakeProblem.notWanted) }
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return }
        finish(reader.append(Self.unwrapInboundIn(data).readableBytesView))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { end() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        reply.fail(CertificateRefusal.described(error, on: context, name: host))
        context.close(promise: nil)
    }

    private func end() {
        guard !isDone else { return }
        finish(reader.end())
    }

    private func finish(_ parsed: HandshakeReply.Parsed) {
        switch parsed {
        case .incomplete: return
        case .reply(let whole): reply.succeed(whole)
        case .malformed(let why): reply.fail(HandshakeProblem.malformed(why))
        }
        isDone = true
    }
}
