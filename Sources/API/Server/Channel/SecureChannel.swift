import HummingbirdCore
import HummingbirdHTTP2
import Logging
import NIOCore
import NIOSSL
import NIOTLS
import Tunnel

/// A connection over TLS that speaks HTTP/2 or HTTP/1.1, as its client asks.
///
/// Hummingbird's own channel never changes its certificate. This one takes the current certificate
/// for each connection, and limits how long a handshake may last.
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
            logger.debug("Connection ended before its handshake", metadata: ["error": "\(ErrorText.words(for: error))"])
        }
    }
}
