import NIOCore
import NIOSSL

extension Channel {
    /// Closes now: sends TLS's closing alert where there is one, but does not wait for the peer's.
    ///
    /// A TLS handler's own close waits up to five seconds for a peer that may be gone, or that
    /// keeps its half open. On the channel's loop only.
    func closeAtOnce() {
        // A WebSocket has a Close to send before.
        guard webSocketContext == nil else { return close(promise: nil) }
        closeStream { self.close(mode: .output, promise: $0) }
    }

    /// Closes the connection that everything else is in; `endOutput` ends its output from above TLS.
    ///
    /// A peer that reads nothing does not take the alert either, so that has a limit, too.
    func closeStream(_ endOutput: (EventLoopPromise<Void>) -> Void) {
        guard let tls = tlsContext else { return (webSocketContext?.close(promise: nil)) ?? close(promise: nil) }
        let alert = eventLoop.makePromise(of: Void.self)
        let limit = eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.closingAlertWait)) {
            tls.close(promise: nil)
        }
        endOutput(alert)
        alert.futureResult.assumeIsolated().whenComplete { _ in
            limit.cancel()
            tls.close(promise: nil)
        }
    }

    /// Closes now without an alert, which a TLS handshake that has not come to its end could not
    /// send.
    ///
    /// On the channel's loop only.
    func cut() {
        if let context = tlsContext ?? webSocketContext { context.close(promise: nil) } else { close(promise: nil) }
    }

    private var webSocketContext: ChannelHandlerContext? {
        try? pipeline.syncOperations.context(handlerType: WebSocketHandler.self)
    }

    /// The TLS handler's place in the pipeline; what is closed from there does not pass the
    /// handler.
    private var tlsContext: ChannelHandlerContext? {
        let pipeline = pipeline.syncOperations
        return (try? pipeline.context(handlerType: NIOSSLServerHandler.self))
            ?? (try? pipeline.context(handlerType: NIOSSLClientHandler.self))
    }
}
