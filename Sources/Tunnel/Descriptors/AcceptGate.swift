package import NIOCore

/// The first handler of a listening socket: has each accepted connection admitted, and stops accepting for a while after
/// one that was not, and after an accept that the system refused.
///
/// Turning automatic reads off is what stops it: a read that has failed stays armed in NIO, and would fail again at once.
package final class AcceptGate: ChannelInboundHandler {
    package typealias InboundIn = any Channel

    private let admit: (any Channel) -> Bool
    private let failed: (IOError) -> Void
    private var resumption: Scheduled<Void>?
    /// Connections that were not admitted and are open still, because their loops have not come to closing them.
    private var leaving = 0

    /// `admit` prepares a connection, on the listener's loop, or returns false; `failed` hears why accepting is paused.
    package init(admit: @escaping (any Channel) -> Bool, failed: @escaping (IOError) -> Void) {
        self.admit = admit
        self.failed = failed
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let connection = Self.unwrapInboundIn(data)
        guard admit(connection) else {
            turnAway(connection, context)
            return pause(context)
        }
        context.fireChannelRead(data)
    }

    private func turnAway(_ connection: any Channel, _ context: ChannelHandlerContext) {
        leaving += 1
        connection.close(promise: nil)
        connection.closeFuture.hop(to: context.eventLoop).assumeIsolated().whenComplete { _ in self.leaving -= 1 }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError else { return context.fireErrorCaught(error) }
        failed(error)
        pause(context)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        resumption?.cancel()
        context.fireChannelInactive()
    }

    private func pause(_ context: ChannelHandlerContext) {
        guard resumption == nil else { return }
        setReading(false, context)
        scheduleResumption(context)
    }

    private func scheduleResumption(_ context: ChannelHandlerContext) {
        let wait = TimeAmount(TunnelLimits.acceptPause)
        resumption = context.eventLoop.assumeIsolated().scheduleTask(in: wait) {
            self.resumption = nil
            guard self.leaving == 0 else { return self.scheduleResumption(context) }
            self.setReading(true, context)
        }
    }

    private func setReading(_ isReading: Bool, _ context: ChannelHandlerContext) {
        try? context.channel.syncOptions?.setOption(.autoRead, value: isReading)
    }
}
