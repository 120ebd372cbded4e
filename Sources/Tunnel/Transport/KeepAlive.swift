import Config
import Glibc
package import NIOCore
import NIOPosix

/// When the kernel asks a silent TCP peer whether it is still there, and after how many questions
/// without an answer it takes it for gone.
package struct KeepAlive: Sendable, Hashable {
    /// Before the first question and between two.
    let interval: Duration
    let probes: SocketOptionValue

    /// Of connections to the API: a silent client is gone after 75 s.
    package static let standard = KeepAlive(interval: .seconds(15), probes: TunnelLimits.keepAliveProbes)

    /// A silent peer is gone after this long.
    var patience: Duration { interval * (1 + probes) }

    /// Of users and targets; nil where a tunnel's `timeouts.keepalive` is off.
    init?(_ spec: TunnelSpec) {
        guard spec.keepalive > .zero else { return nil }
        interval = spec.keepalive
        probes = TunnelLimits.keepAliveProbes
    }

    private init(interval: Duration, probes: SocketOptionValue) {
        self.interval = interval
        self.probes = probes
    }

    /// Links are asked at NodePass's pace, once each report interval, if that is sooner.
    func forLinks(_ environment: TunnelEnvironment) -> KeepAlive {
        guard environment.reportInterval < interval else { return self }
        return KeepAlive(interval: environment.reportInterval, probes: TunnelLimits.linkKeepAliveProbes)
    }

    /// The kernel counts whole seconds, from 1 to 32,767.
    private var seconds: SocketOptionValue {
        SocketOptionValue(min(max(1, interval.components.seconds), 32_767))
    }

    fileprivate var options: [(ChannelOptions.Types.SocketOption, SocketOptionValue)] {
        [
            (.socketOption(.so_keepalive), 1), (.tcpOption(.keepIdle), seconds), (.tcpOption(.keepInterval), seconds),
            (.tcpOption(.keepCount), probes),
        ]
    }

    /// As `set(_:on:)`, of a socket that no channel has.
    static func set(_ keepAlive: KeepAlive?, on descriptor: CInt) {
        for (option, value) in keepAlive?.options ?? [(.socketOption(.so_keepalive), 0)] {
            var value = value
            let length = socklen_t(MemoryLayout<SocketOptionValue>.size)
            _ = setsockopt(descriptor, option.optionLevel.rawValue, option.optionName.rawValue, &value, length)
        }
    }

    /// Changes an open socket to what `keepAlive` says; nil turns it off.
    package static func set(_ keepAlive: KeepAlive?, on channel: any Channel) throws {
        guard let keepAlive else {
            return try channel.syncOptions?.setOption(.socketOption(.so_keepalive), value: 0) ?? ()
        }
        for (option, value) in keepAlive.options { try channel.syncOptions?.setOption(option, value: value) }
    }
}

extension ClientBootstrap {
    func keepingAlive(_ keepAlive: KeepAlive?) -> ClientBootstrap {
        (keepAlive?.options ?? []).reduce(self) { $0.channelOption($1.0, value: $1.1) }
    }
}

extension ServerBootstrap {
    /// Set on the listener: an accepted socket has its listener's options (`tcp(7)`), which saves
    /// calls for each.
    func keepingAlive(_ keepAlive: KeepAlive?) -> ServerBootstrap {
        (keepAlive?.options ?? []).reduce(self) { $0.serverChannelOption($1.0, value: $1.1) }
    }
}

extension NIOBSDSocket.Option {
    fileprivate static let keepIdle = Self(rawValue: TCP_KEEPIDLE)
    fileprivate static let keepInterval = Self(rawValue: TCP_KEEPINTVL)
    fileprivate static let keepCount = Self(rawValue: TCP_KEEPCNT)
    static let userTimeout = Self(rawValue: TCP_USER_TIMEOUT)
}
