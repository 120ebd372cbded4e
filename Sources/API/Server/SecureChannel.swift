import HTTPTypes
import HummingbirdCore
import HummingbirdHTTP2
import Logging
import NIOCore
import NIOHTTPTypes
import NIOSSL
import NIOTLS
import Tunnel

/// A connection over TLS that speaks HTTP/2 or HTTP/1.1, as its client asks.
///
/// Hummingbird's own channel never changes its certificate. This one takes the current certificate for
/// each connection, and limits how long a handshake may last.
struct SecureChannel: HTTPChannelHandler {
    struct Value: ServerChildChannelValue {
        fileprivate let connection: EventLoopFuture<Connection>
        let channel: any Channel
    }

    fileprivate enum Connection: Sendable {
        case http1(HTTP1Channel.Value)
        case http2(HTTP2Channel.Value)
    }

    let credentials: ServerCredentials
    /// Hears of certificate files that were read again.
    let onReload: @Sendable (ServerCredentials.ReloadOutcome) -> Void
    private let handshakeDeadline: TimeAmount
    private let http1: HTTP1Channel
    private let http2: HTTP2Channel

    var responder: HTTPChannelHandler.Responder { http1.responder }

    init(
        credentials: ServerCredentials,
        limits: APIListener.Limits,
        configuration: HTTP1Channel.Configuration,
        responder: @escaping HTTPChannelHandler.Responder,
        onReload: @escaping @Sendable (ServerCredentials.ReloadOutcome) -> Void
    ) {
        self.credentials = credentials
        handshakeDeadline = limits.handshake
        self.onReload = onReload
        http1 = HTTP1Channel(responder: responder, configuration: configuration)
        var streams = configuration
        streams.additionalChannelHandlers = { configuration.additionalChannelHandlers() + [ConnectionFieldRemoval()] }
        http2 = HTTP2Channel(
            responder: responder,
            configuration: HTTP2ChannelConfiguration(
                idleTimeout: .nanoseconds(limits.idle.nanoseconds),
                gracefulCloseTimeout: .nanoseconds(limits.write.nanoseconds),
                streamConfiguration: streams
            )
        )
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        credentials.refreshIfDue(report: onReload)
        let context = credentials.current().context
        return channel.eventLoop.makeCompletedFuture {
            let negotiation = NIOTypedApplicationProtocolNegotiationHandler<Connection> { result, channel in
                configured(channel, for: result, logger)
            }
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandlers([PlainRequestRefusal(), NIOSSLServerHandler(context: context), negotiation])
            let connection = negotiation.protocolNegotiationResult
            let deadline = channel.eventLoop.scheduleTask(in: handshakeDeadline) {
                channel.close(promise: nil)
            }
            connection.whenComplete { _ in deadline.cancel() }
            return Value(connection: connection, channel: channel)
        }
    }

    private func configured(
        _ channel: any Channel,
        for result: ALPNResult,
        _ logger: Logger
    ) -> EventLoopFuture<Connection> {
        switch result {
        case .negotiated("h2"): http2.setup(channel: channel, logger: logger).map(Connection.http2)
        default: http1.setup(channel: channel, logger: logger).map(Connection.http1)
        }
    }

    func handle(value: Value, logger: Logger) async {
        do {
            switch try await value.connection.get() {
            case .http1(let connection): await http1.handle(value: connection, logger: logger)
            case .http2(let connection): await http2.handle(value: connection, logger: logger)
            }
        } catch {
            logger.debug("Connection ended before its handshake", metadata: ["error": "\(error)"])
        }
    }
}

/// Answers a client that speaks HTTP where TLS is expected, in the words of Go's server; anything else passes.
final class PlainRequestRefusal: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let answer =
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        // A request begins with its method; a handshake with a byte that is not a letter.
        guard let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self),
            (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(first)
        else {
            context.fireChannelRead(data)
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
            return
        }
        let answer = context.channel.allocator.buffer(string: Self.answer)
        context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        context.close(promise: nil)
    }
}

/// Takes `Connection` out of answers: in HTTP/2 it means nothing and must not be there (RFC 9113 §8.2.2).
final class ConnectionFieldRemoval: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(var head) = unwrapOutboundIn(data), head.headerFields[.connection] != nil else {
            context.write(data, promise: promise)
            return
        }
        head.headerFields[.connection] = nil
        context.write(wrapOutboundOut(.head(head)), promise: promise)
    }
}
