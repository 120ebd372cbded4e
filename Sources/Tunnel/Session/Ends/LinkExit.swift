import Config
import NIOCore

/// The exit's work: dials a target for each link the entry has taken, and relays.
///
/// Lives on the tunnel's loop, across sessions: what it relays goes on when a session ends.
final class LinkExit {
    /// How a refusal begins that is the target's fault.
    static let unreachable = "target unreachable: "

    private let tunnel: TunnelContext
    private var datagrams: [String: DatagramExit] = [:]
    private let sweep: IdleSweep

    init(tunnel: TunnelContext) {
        self.tunnel = tunnel
        sweep = IdleSweep(limit: tunnel.environment.udpIdleTimeout)
    }

    /// Connects the user of `link` to a target; `refuse` is called with a reason when it cannot.
    func connect(_ link: Link, _ claim: LinkClaim, framed: Bool, refuse: @escaping (String) -> Void) {
        guard tunnel.admission().plan.protocols.contains(claim.transport) else {
            return turnAway(link, .accessDenied, "\(claim.transport.rawValue) is switched off", refuse)
        }
        switch claim.transport {
        case .tcp: connectTCP(link, claim.user, refuse)
        case .udp: connectUDP(link, claim.user, framed: framed, refuse)
        }
    }

    private func turnAway(_ link: Link, _ subject: LogSubject, _ why: String, _ refuse: (String) -> Void) {
        tunnel.log.write(.error, subject, "Connection refused: \(why)")
        refuse(why)
        link.close()
    }

    private func turnAwayUser(_ link: Link, _ refuse: (String) -> Void) {
        tunnel.refuseUser()
        refuse("too many open files")
        link.close()
    }

    // MARK: TCP

    private func connectTCP(_ link: Link, _ user: String, _ refuse: @escaping (String) -> Void) {
        let (plan, group) = tunnel.admission()
        guard let place = tunnel.descriptors.place(for: .target) else { return turnAwayUser(link, refuse) }
        guard tunnel.counters.open(.tcp, limit: plan.connectionLimit) else {
            return turnAway(link, .limitReached, "connection limit \(plan.connectionLimit) reached", refuse)
        }
        link.channel.closeFuture.whenComplete { [tunnel, channel = link.channel] _ in
            tunnel.counters.close(.tcp)
            group.remove(channel)
        }
        guard group.add(link.channel, of: .named(user, .tcp)) else { return link.close() }
        tunnel.dialer.connect(plan, place, on: tunnel.home).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let target): self.relay(link, target, user, plan, group)
            case .failure(let error):
                self.tunnel.unreachable(error)
                refuse("\(Self.unreachable)\(ErrorText.words(for: error))")
                link.close()
            }
        }
    }

    /// Traffic is counted and limited at the target's socket: from the target is `rx`, as in
    /// NodePass.
    private func relay(
        _ link: Link,
        _ target: TargetDialer.Connection,
        _ user: String,
        _ plan: ForwardingPlan,
        _ group: ConnectionGroup
    ) {
        guard link.channel.isActive else { return target.channel.close(promise: nil) }
        sendProxyHeader(to: target, user, plan)
        let end = tunnel.log.beginExchange { "\(user) <-> \(Endpoint(target.address))" }
        let relay = TCPRelay(loop: tunnel.home, plan: plan, group: group, counters: tunnel.counters) { end?() }
        do {
            let early = link.release()
            try relay.install(
                near: RelayEnd(channel: target.channel),
                far: RelayEnd(channel: link.channel, early: early)
            )
        } catch {
            target.channel.close(promise: nil)
            link.close()
        }
    }

    private func sendProxyHeader(to target: TargetDialer.Connection, _ user: String, _ plan: ForwardingPlan) {
        guard plan.proxyProtocol != .off, let endpoint = try? Endpoint(user),
            let source = try? SocketAddress(ipAddress: endpoint.host, port: Int(endpoint.port)),
            let header = ProxyHeader.bytes(
                plan.proxyProtocol,
                user: source,
                target: target.address,
                allocator: target.channel.allocator
            )
        else { return }
        tunnel.counters.countTCP(header.readableBytes, .toUser)
        target.channel.writeAndFlush(header, promise: nil)
    }

    // MARK: UDP

    private func connectUDP(_ link: Link, _ user: String, framed: Bool, _ refuse: @escaping (String) -> Void) {
        if let known = datagrams[user] { return known.attach(link, framed: framed) }
        let (plan, group) = tunnel.admission()
        guard let place = tunnel.descriptors.place(for: .target) else { return turnAwayUser(link, refuse) }
        guard tunnel.counters.open(.udp, limit: plan.connectionLimit) else {
            return turnAway(link, .limitReached, "connection limit \(plan.connectionLimit) reached", refuse)
        }
        let session = DatagramExit(user: user, plan: plan, tunnel: tunnel) { [weak self] ended in
            guard let self, datagrams[user] === ended else { return }
            datagrams[user] = nil
            tunnel.counters.close(.udp)
        }
        datagrams[user] = session
        session.start(link, framed: framed, group: group, place: place, refuse: refuse)
        sweep.start(on: tunnel.home) { self.closeIdle(since: $0) }
    }

    private func closeIdle(since horizon: NIODeadline) -> Bool {
        for session in datagrams.values {
            if session.lastActivity < horizon { session.close() } else { session.checkSilence() }
        }
        return !datagrams.isEmpty
    }
}
