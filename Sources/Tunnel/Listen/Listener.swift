import Config
import NIOCore
import NIOPosix

/// A bound socket that feeds a tunnel's connections to its context.
struct Listener: Sendable {
    let key: ListenKey
    /// Where it really listens: a port of 0 is resolved here.
    let address: Endpoint
    private let socket: Socket

    private enum Socket: Sendable {
        case channel(any Channel)
        case users(UserListener)

        var port: Int? {
            switch self {
            case .channel(let channel): channel.localAddress?.port
            case .users(let listener): listener.localAddress?.port
            }
        }
    }

    /// Binds and starts accepting.
    ///
    /// `port` overrides the key's, for a UDP socket that follows its TCP sibling; `door` is what the clients of
    /// servers come to.
    ///
    /// Throws `TunnelError`: `PortInUse`, `NoPermission`, `AddressNotAvailable`, `NameNotResolved`,
    /// `TooManyOpenFiles`.
    static func bind(
        _ key: ListenKey,
        port: UInt16? = nil,
        for tunnel: TunnelContext,
        at door: TunnelPort? = nil,
        on group: any EventLoopGroup
    ) async throws(TunnelError) -> Listener {
        let endpoint = Endpoint(host: key.endpoint.host, port: port ?? key.endpoint.port)
        let group: any EventLoopGroup = key.purpose == .single ? group : tunnel.home
        guard let place = tunnel.descriptors.place(for: .tunnel, count: key.descriptors) else {
            throw .noDescriptor(for: "\(key.transport.rawValue) \(endpoint)")
        }
        do {
            let address = try await socketAddress(of: endpoint, tunnel, on: group.any())
            let socket: Socket
            if key.transport == .tcp, key.purpose == .single, let reactors = tunnel.reactors.started() {
                socket = .users(try UserListener(address, place, for: tunnel, reactors, on: group))
            } else {
                let channel = try await bind(key, address, for: tunnel, at: door, on: group).get()
                place.keep(for: channel)
                socket = .channel(channel)
            }
            let bound = UInt16(socket.port ?? Int(endpoint.port))
            return Listener(key: key, address: Endpoint(host: endpoint.host, port: bound), socket: socket)
        } catch {
            throw TunnelError.binding(endpoint, key.transport, error)
        }
    }

    /// Gives the address up and returns when another socket can bind it; accepted TCP connections
    /// live on.
    func close() async {
        switch socket {
        case .users(let listener): await listener.close()
        case .channel(let channel):
            try? await channel.close().get()
            // Its descriptor is free for the next one, too.
            try? await channel.closeFuture.get()
        }
    }

    private static func bind(
        _ key: ListenKey,
        _ address: SocketAddress,
        for tunnel: TunnelContext,
        at door: TunnelPort?,
        on group: any EventLoopGroup
    ) -> EventLoopFuture<any Channel> {
        switch (key.transport, door) {
        case (.tcp, _): bindTCP(address, key.purpose, for: tunnel, at: door, on: group)
        case (.udp, let door?): bindLinks(address, at: door)
        case (.udp, nil): bindUDP(address, key.purpose, for: tunnel, on: group)
        }
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
        at door: TunnelPort?,
        on group: any EventLoopGroup
    ) -> EventLoopFuture<any Channel> {
        let batch = tunnel.descriptors.budget.acceptBatch()
        let keepAlive = keepAlive(purpose, tunnel)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: TunnelLimits.acceptBacklog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: UInt(batch.count))
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    channel.closeFuture.whenComplete { _ in withExtendedLifetime(batch) {} }
                    let gate = acceptGate(purpose, keepAlive, for: tunnel, at: door)
                    try channel.pipeline.syncOperations.addHandler(gate)
                }
            }
        return bootstrap.keepingAlive(keepAlive).bind(to: address)
    }

    private static func keepAlive(_ purpose: ListenKey.Purpose, _ tunnel: TunnelContext) -> KeepAlive? {
        purpose == .links ? tunnel.linkKeepAlive : tunnel.admission().plan.keepAlive
    }

    /// Takes the descriptors of a connection before anything is done for it.
    ///
    /// An accepted socket has `inherited`, its listener's keepalive, which a live change may have
    /// made an old one.
    private static func acceptGate(
        _ purpose: ListenKey.Purpose,
        _ inherited: KeepAlive?,
        for opener: TunnelContext,
        at door: TunnelPort?
    ) -> AcceptGate {
        AcceptGate { connection in
            let tunnel = door?.first ?? opener
            let keepAlive = keepAlive(purpose, tunnel)
            if keepAlive != inherited { set(keepAlive, on: connection) }
            let isAdmitted = admit(connection, purpose, for: tunnel, at: door)
            if !isAdmitted { tunnel.refuseUser() }
            return isAdmitted
        } failed: { error in
            let tunnel = door?.first ?? opener
            guard tunnel.descriptors.budget.isLineDue() else { return }
            tunnel.log.write(.error, .acceptPaused, "Accepting is paused: \(error.problem)")
        }
    }

    private static func set(_ keepAlive: KeepAlive?, on connection: any Channel) {
        let work: @Sendable () -> Void = { try? KeepAlive.set(keepAlive, on: connection) }
        if connection.eventLoop.inEventLoop { work() } else { connection.eventLoop.execute(work) }
    }

    /// False where there is no descriptor for the connection or, where a target is dialled for it, for that.
    private static func admit(
        _ connection: any Channel,
        _ purpose: ListenKey.Purpose,
        for tunnel: TunnelContext,
        at door: TunnelPort?
    ) -> Bool {
        switch purpose {
        case .single:
            guard let places = tunnel.descriptors.userAndTarget() else { return false }
            prepare(connection, places.user) {
                try prepareUser(connection, .target(places.target), for: tunnel)
            }
        case .entry:
            // Idle links must not keep those out whom they are there for.
            let purpose: DescriptorPlan.Purpose = tunnel.entrance.hasLink ? .target : .entry
            guard let place = tunnel.descriptors.place(for: purpose) else { return false }
            prepare(connection, place) { try prepareUser(connection, .link(tunnel.entrance), for: tunnel) }
        case .links:
            guard let door, let place = door.descriptors.place(for: .link) else { return false }
            prepare(connection, place) { try prepareTunnelPort(connection, door, place) }
        }
        return true
    }

    /// Sets an accepted connection up on its own loop, ahead of NIO, which hears of it next and registers it there.
    private static func prepare(
        _ channel: any Channel,
        _ place: DescriptorPlace,
        _ addHandlers: @escaping @Sendable () throws -> Void
    ) {
        let work: @Sendable () -> Void = {
            place.keep(for: channel)
            do {
                // Here rather than as options of the bootstrap, of which each listener would keep a list.
                try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
                try channel.syncOptions?.setOption(.writeBufferWaterMark, value: .relay)
                try addHandlers()
            } catch {
                channel.close(promise: nil)
            }
        }
        if channel.eventLoop.inEventLoop { work() } else { channel.eventLoop.execute(work) }
    }

    static func prepareUser(
        _ channel: any Channel,
        _ way: TCPAcceptHandler.Way,
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
        try channel.pipeline.syncOperations.addHandler(TCPAcceptHandler(tunnel: tunnel, way: way))
    }

    private static func prepareTunnelPort(
        _ channel: any Channel,
        _ door: TunnelPort,
        _ place: DescriptorPlace
    ) throws {
        try channel.syncOptions?.setOption(
            .recvAllocator,
            value: FixedSizeRecvByteBufferAllocator(capacity: TunnelLimits.unprovenReadBytes)
        )
        try channel.pipeline.syncOperations.addHandler(TunnelPortHandler(port: door, descriptor: place))
    }

    /// Links come over UDP with QUIC alone; without it a server that wants it does not start.
    private static func bindLinks(_ address: SocketAddress, at door: TunnelPort) -> EventLoopFuture<any Channel> {
        #if QUIC
        QUICLinkAcceptor.bind(address, at: door)
        #else
        door.home.makeFailedFuture(TunnelError(.notSupportedYet, QUICLink.missing))
        #endif
    }

    private static func bindUDP(
        _ address: SocketAddress,
        _ purpose: ListenKey.Purpose,
        for tunnel: TunnelContext,
        on group: any EventLoopGroup
    ) -> EventLoopFuture<any Channel> {
        do {
            let socket = address.isWildcard ? try WildcardSocket(boundTo: address) : nil
            let bootstrap = DatagramBootstrap(group: group)
                .channelOption(.recvAllocator, value: .datagrams(tunnel.environment))
                .channelOption(.maxMessagesPerRead, value: TunnelLimits.datagramsPerRead)
                .channelOption(.socketOption(.so_rcvbuf), value: TunnelLimits.datagramSocketBufferBytes)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let entrance = purpose == .entry ? tunnel.entrance : nil
                        let handler = DatagramListenerHandler(tunnel: tunnel, entrance: entrance, socket: socket)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }
            guard let socket else { return bootstrap.bind(to: address) }
            return bootstrap.withBoundSocket(socket.descriptor).flatMap { channel in
                channel.setOption(.receivePacketInfo, value: true).map { channel }
            }
        } catch {
            return group.any().makeFailedFuture(error)
        }
    }
}

extension SocketAddress {
    /// Every address of the machine.
    fileprivate var isWildcard: Bool { ipAddress == "0.0.0.0" || ipAddress == "::" }
}
