import Config
import Glibc
import NIOCore

/// A user of a single-end tunnel on a reactor, from accept until both sockets are closed.
final class RelayedUser: RelayOwner {
    private let tunnel: TunnelContext
    private let plan: ForwardingPlan
    private let group: ConnectionGroup
    /// For the user's socket and the target's; given back when both are closed.
    private let place: DescriptorPlace
    private let address: SocketBytes
    private var carrier: ConnectionGroup.Carrier?
    private var attempts: DialAttempts
    private var began: UInt64 = 0
    private var logEnd: (@Sendable () -> Void)?
    private var target: SocketAddress?

    init(
        _ tunnel: TunnelContext,
        _ plan: ForwardingPlan,
        _ group: ConnectionGroup,
        _ place: DescriptorPlace,
        _ address: SocketBytes
    ) {
        self.tunnel = tunnel
        self.plan = plan
        self.group = group
        self.place = place
        self.address = address
        attempts = DialAttempts(plan.rotation)
    }

    /// Lets the user in, or not; `descriptor` is the user's socket.
    func begin(_ descriptor: Int32, _ core: ReactorCore, _ reactor: Reactor) {
        guard plan.admits(address) else {
            return refuse(descriptor, "access denied", .accessDenied, level: .warn)
        }
        guard tunnel.counters.open(.tcp, limit: plan.connectionLimit) else {
            return refuse(descriptor, "connection limit \(plan.connectionLimit) reached", .limitReached, level: .error)
        }
        guard let pair = core.add(near: descriptor, self, plan.relayTerms) else { return }
        let carrier = ConnectionGroup.Carrier.pair(reactor, pair)
        guard group.add(carrier, of: .address(address)) else { return core.end(pair) }
        self.carrier = carrier
        perform(attempts.begin(), pair, core, reactor)
    }

    private func refuse(_ descriptor: Int32, _ why: String, _ subject: LogSubject, level: LogLevel) {
        _ = close(descriptor)
        tunnel.log.write(level, subject, "Connection from \(userName) refused: \(why)")
    }

    private var userName: String { SocketAddress(address).map { Endpoint($0).description } ?? "unknown" }

    // MARK: Dialling

    private func perform(_ step: DialAttempts.Step, _ pair: RelayToken, _ core: ReactorCore, _ reactor: Reactor) {
        switch step {
        case .connect(let target):
            self.target = target
            began = core.now
            let patience = UInt64(TimeAmount(tunnel.environment.tcpDialTimeout).nanoseconds / 1_000_000)
            let source = plan.source(for: target).map(SocketBytes.init)
            core.dial(pair, SocketBytes(target), from: source, patience: patience) {
                var on: Int32 = 1
                _ = setsockopt($0, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
                KeepAlive.set(plan.keepAlive, on: $0)
            }
        case .resolve(let target, let isDoubted):
            if isDoubted { tunnel.dialer.resolver.doubt(target) }
            tunnel.dialer.resolver.resolve(target, ttl: plan.dnsTTL, on: tunnel.home).whenComplete { result in
                reactor.submit { core in
                    guard let user = core.owner(of: pair) as? RelayedUser else { return }
                    user.perform(user.attempts.resolved(result), pair, core, reactor)
                }
            }
        case .giveUp(let error):
            tunnel.unreachable(error)
            core.end(pair)
        }
    }

    func dialEnded(_ error: Int32, _ pair: RelayToken, _ core: ReactorCore) {
        guard case .pair(let reactor, _)? = carrier, let target else { return core.end(pair) }
        guard error == 0 else {
            let problem: any Error =
                error == ETIMEDOUT
                ? ChannelError.connectTimeout(TimeAmount(tunnel.environment.tcpDialTimeout))
                : IOError(errnoCode: error, reason: "connect")
            return perform(attempts.failed(problem), pair, core, reactor)
        }
        attempts.succeeded()
        tunnel.counters.recordPing(milliseconds: Int(core.now - began))
        logEnd = tunnel.log.beginExchange { "\(userName) <-> \(Endpoint(target))" }
        core.relay(pair, preface: preface(target))
    }

    private func preface(_ target: SocketAddress) -> [UInt8] {
        guard plan.proxyProtocol != .off, let user = SocketAddress(address) else { return [] }
        let header = ProxyHeader.bytes(plan.proxyProtocol, user: user, target: target, allocator: ByteBufferAllocator())
        return header.map { [UInt8]($0.readableBytesView) } ?? []
    }

    // MARK: The relay

    func moved(_ bytes: Int, fromNear: Bool) {
        tunnel.counters.countTCP(bytes, fromNear ? .fromUser : .toUser)
    }

    func ended() {
        logEnd?()
        tunnel.counters.close(.tcp)
        if let carrier { group.remove(carrier) }
    }
}
