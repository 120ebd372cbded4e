import NIOCore
import NIOSSL

extension Channel {
    /// Closes now: sends TLS's closing alert where there is one, but does not wait for the peer's.
    ///
    /// A TLS handler's own close waits up to five seconds for a peer that may be gone, or that
    /// keeps its half open. A peer that reads nothing does not take the alert either, so that has a
    /// limit, too. On the channel's loop only.
    func closeAtOnce() {
        guard let tls = tlsContext else { return close(promise: nil) }
        let alert = eventLoop.makePromise(of: Void.self)
        let limit = eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.closingAlertWait)) {
            tls.close(promise: nil)
        }
        close(mode: .output, promise: alert)
        alert.futureResult.assumeIsolated().whenComplete { _ in
            limit.cancel()
            tls.close(promise: nil)
        }
    }

    /// Closes now without a alert, which a TLS handshake that has not come to its end could not
    /// send.
    ///
    /// On the channel's loop only.
    func cut() {
        if let tls = tlsContext { tls.close(promise: nil) } else { close(promise: nil) }
    }

    /// The TLS handler's place in the pipeline; what is closed from there does not pass the
    /// handler.
    private var tlsContext: ChannelHandlerContext? {
        let pipeline = pipeline.syncOperations
        return (try? pipeline.context(handlerType: NIOSSLServerHandler.self))
            ?? (try? pipeline.context(handlerType: NIOSSLClientHandler.self))
    }
}
