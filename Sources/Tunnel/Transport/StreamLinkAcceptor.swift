import NIOCore
import NIOSSL
import NIOTLS

/// Pool type 0 on the server: each accepted TCP connection is one link, inside TLS or bare.
struct StreamLinkAcceptor: LinkAcceptor {
    /// Nil for links without TLS.
    let credentials: ServerCredentials?

    var checksAddress: Bool { true }
    var clientSpeaksFirst: Bool { isSecured }
    var openingBytes: Int { isSecured ? TunnelLimits.unprovenTLSBytes : 0 }
    var isSecured: Bool { credentials != nil }

    func recognizes(_ first: UInt8) -> Bool {
        // A TLS handshake record (RFC 8446 §5.1), or what a client of ours begins a bare link with.
        first == (isSecured ? 0x16 : LinkProof.version)
    }

    func recognizes(_ request: HandshakeRequest) -> Bool { false }

    func accept(
        _ channel: any Channel,
        _ opening: LinkOpening,
        for session: LinkSession,
        deliver: @escaping (LinkChannel) -> Void
    ) {
        guard case .bytes(let first) = opening else { return channel.close(promise: nil) }
        do {
            guard let credentials else {
                deliver(LinkChannel(channel: channel, fingerprint: nil))
                if first.readableBytes > 0 { channel.pipeline.fireChannelRead(first) }
                return
            }
            let loaded = credentials.current()
            let fingerprint = loaded.certificate.fingerprint
            let ready = TLSReadyHandler {
                deliver(LinkChannel(channel: channel, fingerprint: fingerprint, hasDatagramRecords: true))
            }
            try channel.pipeline.syncOperations.addHandlers([NIOSSLServerHandler(context: loaded.context), ready])
            channel.pipeline.fireChannelRead(first)
            channel.pipeline.fireChannelReadComplete()
        } catch {
            channel.close(promise: nil)
        }
    }
}

/// Says once that TLS is up on its channel, and closes the channel when it fails.
final class TLSReadyHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let ready: () -> Void

    init(ready: @escaping () -> Void) {
        self.ready = ready
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        ready()
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
