import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Tunnel

/// Looks at what a server shows to a TLS client, without sending it anything.
enum ServerCertificate {
    private static let timeout = TimeAmount.seconds(10)

    /// The certificate, of whatever authority; throws what keeps a TLS connection from being made.
    static func shown(by server: ServerAddress) async throws -> NIOSSLCertificate? {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let shown = loop.makePromise(of: NIOSSLCertificate?.self)
        let deadline = loop.scheduleTask(in: timeout) { shown.fail(ChannelError.connectTimeout(timeout)) }
        let trust = ClientTrust(authorities: nil)
        let name = ClientTrust.serverName(sni: nil, host: server.host)
        ClientBootstrap(group: loop)
            .connectTimeout(timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try trust.handler(.anyCertificate, serverName: name)
                    try channel.pipeline.syncOperations.addHandlers([tls, Watcher(tls, shown)])
                }
            }
            .connect(host: server.host, port: server.port)
            .whenComplete { result in
                switch result {
                case .success(let channel): shown.futureResult.whenComplete { _ in channel.close(promise: nil) }
                case .failure(let error): shown.fail(error)
                }
            }
        shown.futureResult.whenComplete { _ in deadline.cancel() }
        return try await shown.futureResult.get()
    }

    /// Keeps the promise when the handshake has ended.
    private final class Watcher: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let handler: NIOSSLClientHandler
        private let shown: EventLoopPromise<NIOSSLCertificate?>

        init(_ handler: NIOSSLClientHandler, _ shown: EventLoopPromise<NIOSSLCertificate?>) {
            self.handler = handler
            self.shown = shown
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent { shown.succeed(handler.peerCertificate) }
            context.fireUserInboundEventTriggered(event)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            shown.fail(error)
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            shown.fail(ChannelError.eof)
            context.fireChannelInactive()
        }
    }
}
