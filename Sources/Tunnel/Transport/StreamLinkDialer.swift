import Config
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// Pool type 0 on the client: each link is a TCP connection to the server, inside TLS or bare.
struct StreamLinkDialer: LinkDialer {
    let server: SocketAddress
    let timeout: TimeAmount
    let keepAlive: @Sendable () -> KeepAlive?
    let readBufferMaxBytes: Int
    let descriptors: TunnelDescriptors
    /// Makes the TLS handler of one link; nil for bare ones.
    let security: (@Sendable () throws -> NIOSSLClientHandler)?
    /// The certificate that the server has to show; nil where nothing is known of it.
    var pin: Pin?

    /// What a sealed handshake has shown of the server's certificate.
    struct Pin: Sendable {
        let fingerprint: String
        /// Files may be replaced while a session lives, which a new session finds out.
        let mayChange: Bool

        fileprivate func mismatch(_ shown: String?) -> TunnelError {
            let message = "a link shows certificate \(shown ?? "none"), the handshake showed \(fingerprint)"
            return mayChange
                ? TunnelError(.peerUnreachable, message + ": it was replaced, or the connection is intercepted")
                : TunnelError(.tlsFingerprintMismatch, message + "; the connection is intercepted between the ends")
        }
    }

    func dial(
        on loop: any EventLoop,
        for purpose: DescriptorPlan.Purpose
    ) -> EventLoopFuture<NIOLoopBound<LinkChannel>> {
        guard let place = descriptors.place(for: purpose) else { return loop.makeFailedFuture(NoDescriptor()) }
        return ClientBootstrap(group: loop)
            .connectTimeout(timeout)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: .relay)
            .channelOption(.recvAllocator, value: .relay(maximum: readBufferMaxBytes))
            .keepingAlive(keepAlive())
            .connect(to: server)
            .flatMap { channel in
                place.keep(for: channel)
                guard let security else {
                    return loop.makeSucceededFuture(
                        NIOLoopBound(LinkChannel(channel: channel, fingerprint: nil), eventLoop: loop)
                    )
                }
                return startTLS(on: channel, security)
            }
    }

    private func startTLS(
        on channel: any Channel,
        _ security: @Sendable () throws -> NIOSSLClientHandler
    ) -> EventLoopFuture<NIOLoopBound<LinkChannel>> {
        let loop = channel.eventLoop
        let promise = loop.makePromise(of: NIOLoopBound<LinkChannel>.self)
        do {
            let handler = try security()
            let watcher = TLSClientWatcher { result in
                do {
                    try result.get()
                    let fingerprint = try checked(handler.peerCertificate)
                    let link = LinkChannel(channel: channel, fingerprint: fingerprint, hasDatagramRecords: true)
                    promise.succeed(NIOLoopBound(link, eventLoop: loop))
                } catch {
                    promise.fail(error)
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
        return promise.futureResult.flatMapErrorThrowing { throw Self.refusal($0) ?? $0 }
    }

    /// The certificate's fingerprint; throws for one that is not the server's.
    private func checked(_ certificate: NIOSSLCertificate?) throws -> String? {
        let fingerprint = certificate.flatMap { try? CertificateSummary.fingerprint(of: $0) }
        if let pin, pin.fingerprint != fingerprint { throw pin.mismatch(fingerprint) }
        return fingerprint
    }

    /// The error when the server's certificate was not accepted: another attempt would end the same
    /// way.
    private static func refusal(_ error: any Error) -> TunnelError? {
        let text = "\(error)"
        let isRefusal = error is NIOSSLExtraError || text.contains("CERTIFICATE_VERIFY_FAILED")
        guard isRefusal || error is TunnelError else { return nil }
        return error as? TunnelError
            ?? TunnelError(.certificateInvalid, "the server's certificate is not accepted: \(text)", isTerminal: false)
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
