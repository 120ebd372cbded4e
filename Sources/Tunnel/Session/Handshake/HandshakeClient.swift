import Config
import NIOCore
import NIOPosix
import NIOSSL

/// Asks a server for its terms: one connection, one request, one reply, within the handshake
/// timeout.
struct HandshakeClient: Sendable {
    /// The value of the Host header.
    let host: String
    let token: HandshakeToken
    let clientID: String
    let timeout: TimeAmount
    let place: DescriptorPlace
    /// Makes the TLS handler where the server is behind one that speaks it (port 443); nil for
    /// plain HTTP.
    let security: (@Sendable () throws -> NIOSSLClientHandler)?

    /// What a server said, and at which of its addresses.
    struct Outcome: Sendable {
        let terms: HandshakeTerms
        let server: SocketAddress
    }

    /// Asks at each address in turn until one answers with terms.
    ///
    /// Fails with the last one's `TunnelError`: `PeerUnreachable`, `AuthFailed`.
    func terms(from addresses: ArraySlice<SocketAddress>, on loop: any EventLoop) -> EventLoopFuture<Outcome> {
        guard let server = addresses.first else {
            return loop.makeFailedFuture(TunnelError(.nameNotResolved, "the server's name has no address"))
        }
        return terms(from: server, on: loop).map { Outcome(terms: $0, server: server) }.flatMapError { error in
            let rest = addresses.dropFirst()
            return rest.isEmpty ? loop.makeFailedFuture(error) : terms(from: rest, on: loop)
        }
    }

    private func terms(from server: SocketAddress, on loop: any EventLoop) -> EventLoopFuture<HandshakeTerms> {
        let request = HandshakeRequest.text(host: host, token: token, clientID: clientID)
        let reply = loop.makePromise(of: HandshakeReply.self)
        let deadline = loop.scheduleTask(in: timeout) { reply.fail(ChannelError.connectTimeout(timeout)) }
        ClientBootstrap(group: loop)
            .connectTimeout(timeout)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let security { try channel.pipeline.syncOperations.addHandler(security()) }
                    try channel.pipeline.syncOperations.addHandler(
                        HandshakeReplyHandler(request: request, reply: reply)
                    )
                }
            }
            .connect(to: server)
            .whenComplete { result in
                switch result {
                case .success(let channel):
                    place.keep(for: channel)
                    reply.futureResult.assumeIsolated().whenComplete { _ in channel.closeAtOnce() }
                case .failure(let error): reply.fail(error)
                }
            }
        reply.futureResult.whenComplete { _ in deadline.cancel() }
        return reply.futureResult
            .flatMapThrowing { try Self.terms(of: $0) }
            .flatMapErrorThrowing { throw Self.problem($0) }
    }

    private static func terms(of reply: HandshakeReply) throws -> HandshakeTerms {
        let text = HTTPHead.quoted(String(decoding: reply.body, as: UTF8.self)[...], limit: 200)
        guard reply.status == 200 else { throw HandshakeProblem.refused(status: reply.status, text) }
        return try HandshakeTerms(body: reply.body)
    }

    private static func problem(_ error: any Error) -> TunnelError {
        switch error {
        case HandshakeProblem.refused(401, _):
            TunnelError(.authFailed, "Unauthorized (401): the server has another tunnel key")
        case HandshakeProblem.refused(409, let text): TunnelError(.standby, "Standing by: \(text)")
        case HandshakeProblem.refused(let status, let text):
            TunnelError(.peerUnreachable, "the server answered \(status): \(text)")
        case HandshakeProblem.malformed(let why): TunnelError(.peerUnreachable, "no NodePass server there: \(why)")
        case let error as IOError: TunnelError(.peerUnreachable, error.problem)
        case is ChannelError: TunnelError(.peerUnreachable, "no answer in time")
        default: TunnelError(.peerUnreachable, "\(error)")
        }
    }
}

/// Sends the request once the connection is up and collects the reply.
private final class HandshakeReplyHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let request: String
    private let reply: EventLoopPromise<HandshakeReply>
    private var reader = HandshakeReplyReader()
    private var isDone = false

    init(request: String, reply: EventLoopPromise<HandshakeReply>) {
        self.request = request
        self.reply = reply
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
        context.fireChannelActive()
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
        reply.fail(error)
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
