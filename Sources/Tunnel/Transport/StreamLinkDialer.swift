import Config
import FoundationEssentials
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// Pool type 0 on the client: each link is a TCP connection to the server, inside TLS or bare.
struct StreamLinkDialer: LinkDialer {
    /// The server's, or its proxy's.
    let address: SocketAddress
    let route: ServerRoute
    let timeout: TimeAmount
    let keepAlive: @Sendable () -> KeepAlive?
    let readBufferMaxBytes: Int
    let descriptors: TunnelDescriptors
    /// Makes the TLS handler of one link; nil for bare ones.
    let security: (@Sendable () throws -> NIOSSLClientHandler)?
    /// What a verified certificate has to be for; nil for the address connected to.
    var name: String?
    /// The certificates that the server may show; nil where nothing is known of them.
    var pin: CertificatePin?

    func dial(
        on loop: any EventLoop,
        for purpose: DescriptorPlan.Purpose
    ) -> EventLoopFuture<NIOLoopBound<LinkChannel>> {
        guard let place = descriptors.place(for: purpose) else { return loop.makeFailedFuture(NoDescriptor()) }
        let (keepAlive, route, timeout) = (keepAlive(), route, timeout)
        let connector = RacingConnector(
            server: address,
            timeout: timeout,
            secondPlace: { [descriptors] in descriptors.place(for: purpose) },
            configure: { [readBufferMaxBytes] in
                $0.channelOption(.allowRemoteHalfClosure, value: true)
                    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .channelOption(.writeBufferWaterMark, value: .relay)
                    .channelOption(.recvAllocator, value: .relay(maximum: readBufferMaxBytes))
                    .keepingAlive(keepAlive)
            }
        )
        return connector.connect(on: loop)
            .assumeIsolated()
            .flatMap { channel in
                place.keep(for: channel)
                return route.open(channel, within: timeout)
            }
            .flatMap { channel in
                guard let security = self.security else {
                    return loop.makeSucceededFuture(
                        NIOLoopBound(LinkChannel(channel: channel, fingerprint: nil), eventLoop: loop)
                    )
                }
                return self.startTLS(on: channel, security)
            }
            .nonisolated()
    }

    private func startTLS(
        on channel: any Channel,
        _ security: @Sendable () throws -> NIOSSLClientHandler
    ) -> EventLoopFuture<NIOLoopBound<LinkChannel>> {
        let loop = channel.eventLoop
        let timeout = timeout
        let promise = loop.makePromise(of: NIOLoopBound<LinkChannel>.self)
        do {
            let handler = try security()
            let watcher = TLSClientWatcher { result in
                do {
                    try result.get()
                    self.admit(channel, handler.peerCertificate, promise)
                } catch {
                    promise.fail(refusal(error, of: handler))
                }
            }
            try channel.pipeline.syncOperations.addHandlers([handler, watcher])
            let deadline = loop.scheduleTask(in: timeout) {
                promise.fail(ChannelError.connectTimeout(timeout))
            }
            promise.futureResult.whenComplete { _ in deadline.cancel() }
            promise.futureResult.whenFailure { _ in channel.cut() }
        } catch {
            channel.close(promise: nil)
            promise.fail(error)
        }
        return promise.futureResult
    }

    /// Gives the channel if its certificate is the server's.
    private func admit(
        _ channel: any Channel,
        _ certificate: NIOSSLCertificate?,
        _ promise: EventLoopPromise<NIOLoopBound<LinkChannel>>
    ) {
        let fingerprint = certificate.flatMap { try? CertificateSummary.fingerprint(of: $0) }
        let made = LinkChannel(channel: channel, fingerprint: fingerprint, hasDatagramRecords: true)
        let link = NIOLoopBound(made, eventLoop: channel.eventLoop)
        guard let pin else { return promise.succeed(link) }
        pin.admit(fingerprint).map { link }.cascade(to: promise)
    }

    /// Says why the server's certificate was not accepted, where that is what went wrong.
    private func refusal(_ error: any Error, of handler: NIOSSLClientHandler) -> any Error {
        let wanted = name ?? route.server.host
        let refusal = CertificateRefusal(error, certificate: handler.peerCertificate, name: wanted, now: Date())
        return refusal?.error ?? error
    }
}

/// Reports once how a client's TLS handshake ended.
private final class TLSClientWatcher: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private var report: ((Result<Void, any Error>) -> Void)?

    init(report: @escaping (Result<Void, any Error>) -> Void) {
        self.report = report
    }

    private func finish(_ result: Result<Void, any Error>) {
        report?(result)
        report = nil
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        finish(.success(()))
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(.failure(error))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.failure(ChannelError.eof))
        context.fireChannelInactive()
    }
}
