import Glibc
import NIOCore
import NIOPosix

/// Link sockets let the kernel find out that a silent peer has gone, at NodePass's pace: one probe
/// each report interval.
extension ClientBootstrap {
    func keepingAlive(every interval: Duration) -> ClientBootstrap {
        channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(.keepIdle), value: interval.wholeSeconds)
            .channelOption(.tcpOption(.keepInterval), value: interval.wholeSeconds)
            .channelOption(.tcpOption(.keepCount), value: TunnelLimits.keepAliveProbes)
    }
}

extension ServerBootstrap {
    /// Set on the listener: an accepted socket has its listener's options (`tcp(7)`), which saves
    /// calls for each.
    func keepingAlive(every interval: Duration) -> ServerBootstrap {
        serverChannelOption(.socketOption(.so_keepalive), value: 1)
            .serverChannelOption(.tcpOption(.keepIdle), value: interval.wholeSeconds)
            .serverChannelOption(.tcpOption(.keepInterval), value: interval.wholeSeconds)
            .serverChannelOption(.tcpOption(.keepCount), value: TunnelLimits.keepAliveProbes)
    }
}

extension NIOBSDSocket.Option {
    fileprivate static let keepIdle = Self(rawValue: TCP_KEEPIDLE)
    fileprivate static let keepInterval = Self(rawValue: TCP_KEEPINTVL)
    fileprivate static let keepCount = Self(rawValue: TCP_KEEPCNT)
}

extension Duration {
    /// At least one: the kernel counts no fractions.
    fileprivate var wholeSeconds: ChannelOptions.Types.SocketOption.Value {
        ChannelOptions.Types.SocketOption.Value(max(1, components.seconds))
    }
}
