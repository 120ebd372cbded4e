import Config
import NIOCore
import NIOPosix

/// A bound socket that feeds a tunnel's connections to its context.
struct Listener: Sendable {
    let key: ListenKey
    /// Where it really listens: a port of 0 is resolved here.
    let address: Endpoint
    private let channel: any Channel

    /// Binds and starts accepting.
    ///
    /// `port` overrides the key's, for a UDP socket that follows its TCP sibling.
    ///
    /// Throws `TunnelError`: `PortInUse`, `NoPermission`, `AddressNotAvailable`, `NameNotResolved`,
    /// `TooManyOpenFiles`.
    static func bind(
        _ key: ListenKey,
        port: UInt16? = nil,
        for tunnel: TunnelContext,
        on group: any EventLoopGroup
    ) async throws(TunnelError) -> Listener {
        let endpoint = Endpoint(host: key.endpoint.host, port: port ?? key.endpoint.port)
        let group: any EventLoopGroup = key.purpose == .single ? group : tunnel.home
        do {
            let address = try await socketAddress(of: endpoint, tunnel, on: group.any())
            let channel: any Channel
            switch key.transport {
            case .tcp: channel = try await bindTCP(address, key.purpose, for: tunnel, on: group).get()
            case .udp: channel = try await bindUDP(address, key.purpose, for: tunnel, on: group).get()
            }
            let bound = UInt16(channel.localAddress?.port ?? Int(endpoint.port))
            return Listener(key: key, address: Endpoint(host: endpoint.host, port: bound), channel: channel)
        } catch {
            throw TunnelError.binding(endpoint, key.transport, error)
        }
    }

    /// Gives the address up and returns when another socket can bind it; accepted TCP connections
    /// live on.
    func close() async {
        try? await channel.close().get()
    }

    private static func socketAddress(
        of endpoint: Endpoint,
        _ tunnel: TunnelContext,
        on loop: any EventLoop
    ) async throws -> SocketAddress {
        if endpoint.host.isEmpty { return try wildcard(port: Int(endpoint.port)) }
        if let literal = TargetResolver.literal(endpoint) { return literal }
        let addresses = try await tunnel.dialer.resolver.resolve(endpoint, ttl: .zero, on: loop).get()
        guard let first = addresses.first else {
            throw TunnelError(.nameNotResolved, "\(endpoint.host) has no address")
        }
        return first
    }

    /// Every address of the machine: `::`, which takes IPv4 too, or `0.0.0.0` where the kernel has
    /// no IPv6.
    private static func wildcard(port: Int) throws -> SocketAddress {
        let hasIPv6 = (try? System.enumerateDevices().contains { $0.address?.protocol == .inet6 }) ?? false
        return try SocketAddress(ipAddress: hasIPv6 ? "::" : "0.0.0.0", port: port)
    }

    private static func bindTCP(
        _ address: SocketAddress,
        _ purpose: ListenKey.Purpose,
        for tunnel: TunnelContext,
        on group: any EventLoopGroup
    ) -> EventLoopFuture<any Channel> {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: TunnelLimits.acceptBacklog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: 16)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptBackoffHandler(shouldForwardIOErrorCaught: false) { error in
                            tunnel.log.write(.error, "Accepting is paused: \(error.description)")
                            return TimeAmount(TunnelLimits.acceptBackoff)
                        }
                    )
                }
            }
        return
            (purpose == .links ? bootstrap.keepingAlive(every: tunnel.environment.reportInterval) : bootstrap)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // Here rather than as options of the bootstrap, of which each listener would
                    // keep a list.
                    try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
                    try channel.syncOptions?.setOption(.writeBufferWaterMark, value: .relay)
                    switch purpose {
                    case .links: try prepareTunnelPort(channel, for: tunnel)
                    case .entry: try prepareUser(channel, entrance: tunnel.entrance, for: tunnel)
                    case .single: try prepareUser(channel, entrance: nil, for: tunnel)
                    }
                }
            }
            .bind(to: address)
    }

    private static func prepareUser(
        _ channel: any Channel,
        entrance: LinkEntrance?,
        for tunnel: TunnelContext
    ) throws {
        let plan = tunnel.admission().plan
        try channel.syncOptions?.setOption(.autoRead, value: false)
        try channel.syncOptions?.setOption(
            .recvAllocator,
            value: .relay(isLimited: plan.rates != nil, maximum: tunnel.environment.readBufferMaxBytes)
        )
        if let sniffer = plan.sniffer {
            try channel.pipeline.syncOperations.addHandler(ProtocolGuardHandler(sniffer: sniffer, log: tunnel.log))
        }
        try channel.pipeline.syncOperations.addHandler(TCPAcceptHandler(tunnel: tunnel, entrance: entrance))
    }

    private static func prepareTunnelPort(_ channel: any Channel, for tunnel: TunnelContext) throws {
        try channel.syncOptions?.setOption(
            .recvAllocator,
            value: FixedSizeRecvByteBufferAllocator(capacity: TunnelLimits.unprovenReadBytes)
        )
        try channel.pipeline.syncOperations.addHandler(TunnelPortHandler(tunnel: tunnel))
    }

    private static func bindUDP(
        _ address: SocketAddress,
        _ purpose: ListenKey.Purpose,
        for tunnel: TunnelContext,
        on group: any EventLoopGroup
    ) -> EventLoopFuture<any Channel> {
        DatagramBootstrap(group: group)
            .channelOption(.recvAllocator, value: .datagrams(tunnel.environment))
            .channelOption(.maxMessagesPerRead, value: TunnelLimits.datagramsPerRead)
            .channelOption(.socketOption(.so_rcvbuf), value: TunnelLimits.datagramSocketBufferBytes)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        DatagramListenerHandler(tunnel: tunnel, entrance: purpose == .entry ? tunnel.entrance : nil)
                    )
                }
            }
            .bind(to: address)
    }
}
