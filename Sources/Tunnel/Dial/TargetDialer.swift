import Config
import NIOCore
import NIOPosix

/// Connects to a tunnel's targets: every target in rotation order, every address of each, until one
/// answers.
///
/// One for all tunnels.
final class TargetDialer: Sendable {
    let resolver: TargetResolver
    let environment: TunnelEnvironment

    init(resolver: TargetResolver, environment: TunnelEnvironment) {
        self.resolver = resolver
        self.environment = environment
    }

    /// A TCP connection with reads off, on `loop`, and the address it reached.
    struct Connection: Sendable {
        let channel: any Channel
        let address: SocketAddress
        let milliseconds: Int
    }

    /// Takes `place` for the connection's life; it is given back when none is made.
    ///
    /// Fails with `TunnelError` (`TargetUnreachable`, `NameNotResolved`) that names every target tried, or with
    /// `TooManyOpenFiles`.
    func connect(
        _ plan: ForwardingPlan,
        _ place: DescriptorPlace,
        on loop: any EventLoop
    ) -> EventLoopFuture<Connection> {
        tryTargets(plan.rotation.order()[...], plan, on: loop, problems: []) { address in
            self.connectTCP(address, plan, on: loop)
        }.map { connection, target in
            plan.rotation.succeeded(target)
            place.keep(for: connection.channel)
            return connection
        }
    }

    /// Nothing came back over UDP, where connecting shows nothing: a target's name may have moved.
    func doubt(_ plan: ForwardingPlan) {
        for target in plan.rotation.targets { resolver.doubt(target) }
    }

    /// Looks the target's name up again; true when it does not have this address any more, false where that is unknown.
    func hasMoved(
        _ target: Endpoint,
        from address: SocketAddress,
        _ plan: ForwardingPlan,
        on loop: any EventLoop
    ) -> EventLoopFuture<Bool> {
        guard TargetResolver.literal(target) == nil else { return loop.makeSucceededFuture(false) }
        resolver.doubt(target)
        return resolver.resolve(target, ttl: plan.dnsTTL, on: loop).map { !$0.contains(address) }.recover { _ in false }
    }

    /// As `connect`, to one target and without a place of a tunnel.
    func probe(
        _ target: Endpoint,
        _ plan: ForwardingPlan,
        on loop: any EventLoop
    ) -> EventLoopFuture<Connection> {
        reachTarget(target, plan, on: loop) { self.connectTCP($0, plan, on: loop) }
    }

    /// A connected UDP socket on `loop`, its pipeline made by `initializer`; DNS failures move on to the next target.
    ///
    /// The place is treated as in `connect`. With the socket comes the index of its target in the plan's rotation; whether
    /// that was reached, only an answer shows.
    func connectDatagram(
        _ plan: ForwardingPlan,
        _ place: DescriptorPlace,
        on loop: any EventLoop,
        initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) -> EventLoopFuture<(channel: any Channel, target: Int)> {
        tryTargets(plan.rotation.order()[...], plan, on: loop, problems: []) { address in
            let bootstrap = DatagramBootstrap(group: loop)
                .channelOption(.recvAllocator, value: .datagrams(self.environment))
                .channelOption(.maxMessagesPerRead, value: TunnelLimits.datagramsPerRead)
                .channelInitializer(initializer)
            guard let source = plan.source(for: address) else { return bootstrap.connect(to: address) }
            return bootstrap.bind(to: source).flatMap { channel in channel.connect(to: address).map { channel } }
        }.map { channel, target in
            place.keep(for: channel)
            return (channel, target)
        }
    }

    private func tryTargets<Reached: Sendable>(
        _ order: ArraySlice<Int>,
        _ plan: ForwardingPlan,
        on loop: any EventLoop,
        problems: [String],
        reach: @escaping @Sendable (SocketAddress) -> EventLoopFuture<Reached>
    ) -> EventLoopFuture<(Reached, Int)> {
        guard let index = order.first else {
            return loop.makeFailedFuture(TunnelError(.targetUnreachable, problems.joined(separator: "; ")))
        }
        let target = plan.rotation.targets[index]
        return reachTarget(target, plan, on: loop, reach: reach)
            .map { reached in (reached, index) }
            .flatMapError { error in
                // No other target would be reached without a descriptor either, and this one is not at fault.
                if (error as? IOError)?.isOutOfDescriptors == true {
                    return loop.makeFailedFuture(TunnelError.noDescriptor(for: "\(target)"))
                }
                let problem = Self.problem(of: error)
                plan.rotation.failed(index, TargetFailure(error), problem)
                let all = problems + ["\(target): \(problem)"]
                return self.tryTargets(order.dropFirst(), plan, on: loop, problems: all, reach: reach)
            }
    }

    /// Tries the known addresses of a target and, when none answers, those that a fresh look-up
    /// adds: the name may have moved.
    private func reachTarget<Reached: Sendable>(
        _ target: Endpoint,
        _ plan: ForwardingPlan,
        on loop: any EventLoop,
        reach: @escaping @Sendable (SocketAddress) -> EventLoopFuture<Reached>
    ) -> EventLoopFuture<Reached> {
        resolver.resolve(target, ttl: plan.dnsTTL, on: loop).flatMap { known in
            self.tryAddresses(known[...], on: loop, reach: reach).flatMapError { error in
                guard TargetResolver.literal(target) == nil else { return loop.makeFailedFuture(error) }
                self.resolver.doubt(target)
                return self.resolver.resolve(target, ttl: plan.dnsTTL, on: loop).flatMap { fresh in
                    let others = fresh.filter { !known.contains($0) }
                    guard !others.isEmpty else { return loop.makeFailedFuture(error) }
                    return self.tryAddresses(others[...], on: loop, reach: reach)
                }
            }
        }
    }

    private func tryAddresses<Reached: Sendable>(
        _ addresses: ArraySlice<SocketAddress>,
        on loop: any EventLoop,
        reach: @escaping @Sendable (SocketAddress) -> EventLoopFuture<Reached>
    ) -> EventLoopFuture<Reached> {
        guard let address = addresses.first else {
            return loop.makeFailedFuture(TunnelError(.nameNotResolved, "no address"))
        }
        return reach(address).flatMapError { error in
            let rest = addresses.dropFirst()
            return rest.isEmpty ? loop.makeFailedFuture(error) : self.tryAddresses(rest, on: loop, reach: reach)
        }
    }

    private func connectTCP(
        _ address: SocketAddress,
        _ plan: ForwardingPlan,
        on loop: any EventLoop
    ) -> EventLoopFuture<Connection> {
        let start = NIODeadline.now()
        var bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(TimeAmount(environment.tcpDialTimeout))
            .channelOption(.autoRead, value: false)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: .relay)
            .channelOption(
                .recvAllocator,
                value: .relay(isLimited: plan.rates != nil, maximum: environment.readBufferMaxBytes)
            )
            .keepingAlive(plan.keepAlive)
        if let source = plan.source(for: address) { bootstrap = bootstrap.bind(to: source) }
        return bootstrap.connect(to: address).map { channel in
            let milliseconds = (NIODeadline.now() - start).nanoseconds / 1_000_000
            return Connection(channel: channel, address: address, milliseconds: Int(milliseconds))
        }
    }

    private static func problem(of error: any Error) -> String {
        ErrorText.words(for: error)
    }
}

extension ForwardingPlan {
    /// `dial`'s address where its family fits; a target of the other family is dialled from what
    /// the system chooses.
    fileprivate func source(for target: SocketAddress) -> SocketAddress? {
        dialFrom.flatMap { $0.protocol == target.protocol ? $0 : nil }
    }
}

extension ChannelOptions.Types.WriteBufferWaterMark {
    static let relay = Self(low: TunnelLimits.writeBufferLowBytes, high: TunnelLimits.writeBufferHighBytes)
}

extension RecvByteBufferAllocator where Self == AdaptiveRecvByteBufferAllocator {
    /// Small for quiet connections, growing for busy ones; small throughout under a rate limit,
    /// where evenness matters.
    static func relay(isLimited: Bool = false, maximum: Int) -> Self {
        let most = max(1024, isLimited ? min(TunnelLimits.readBufferMaxBytesWhenLimited, maximum) : maximum)
        return AdaptiveRecvByteBufferAllocator(
            minimum: 1024,
            initial: min(TunnelLimits.readBufferInitialBytes, most),
            maximum: most
        )
    }
}

extension RecvByteBufferAllocator where Self == FixedSizeRecvByteBufferAllocator {
    static func datagrams(_ environment: TunnelEnvironment) -> Self {
        FixedSizeRecvByteBufferAllocator(capacity: environment.datagramBufferBytes)
    }
}
