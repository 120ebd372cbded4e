import Config
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// A listening TCP socket for the users of a single-end tunnel, which all reactors accept from.
final class UserListener: Sendable {
    private let descriptor: Int32
    private let reactors: [Reactor]
    private let place: DescriptorPlace
    let localAddress: SocketAddress?

    /// Binds and begins to accept; `place` is for its descriptor.
    ///
    /// Throws `IOError`.
    init(
        _ address: SocketAddress,
        _ place: DescriptorPlace,
        for tunnel: TunnelContext,
        _ reactors: [Reactor],
        on group: any EventLoopGroup
    ) throws {
        self.reactors = reactors
        self.place = place
        let keepAlive = tunnel.admission().plan.keepAlive
        descriptor = try Self.socket(boundTo: address, keepAlive)
        var bound = SocketBytes()
        _ = bound.receive { [descriptor] in getsockname(descriptor, $0, $1) }
        localAddress = SocketAddress(bound)
        let acceptor = UserAcceptor(tunnel: tunnel, inherited: keepAlive, reactors: reactors, group: group)
        for reactor in reactors { reactor.submit { [descriptor] core in core.listen(descriptor, acceptor) } }
    }

    private static func socket(boundTo address: SocketAddress, _ keepAlive: KeepAlive?) throws -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(address.protocol == .inet6 ? AF_INET6 : AF_INET, kind, 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        // An accepted socket has its listener's options (tcp(7)).
        var on: Int32 = 1
        _ = setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        _ = setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        KeepAlive.set(keepAlive, on: descriptor)
        guard
            address.withSockAddr({ bind(descriptor, $0, socklen_t($1)) }) == 0,
            listen(descriptor, TunnelLimits.acceptBacklog) == 0
        else {
            let error = IOError(errnoCode: errno, reason: "bind")
            _ = Glibc.close(descriptor)
            throw error
        }
        return descriptor
    }

    /// Gives the address up; returns when another socket can bind it.
    func close() async {
        // All of them at once, and the socket only when none can accept from it any more.
        await withDiscardingTaskGroup { tasks in
            for reactor in reactors {
                tasks.addTask {
                    await withCheckedContinuation { done in
                        reactor.submit(or: { done.resume() }) { [descriptor = self.descriptor] core in
                            core.stopListening(descriptor)
                            done.resume()
                        }
                    }
                }
            }
        }
        _ = Glibc.close(descriptor)
    }
}

/// Decides about each user that comes to a `UserListener`.
final class UserAcceptor: ReactorAcceptor, Sendable {
    private let tunnel: TunnelContext
    /// The listener's keepalive, which a live change may have made an old one.
    private let inherited: KeepAlive?
    private let reactors: [Reactor]
    private let group: any EventLoopGroup

    init(tunnel: TunnelContext, inherited: KeepAlive?, reactors: [Reactor], group: any EventLoopGroup) {
        self.tunnel = tunnel
        self.inherited = inherited
        self.reactors = reactors
        self.group = group
    }

    func accepted(_ descriptor: Int32, from address: SocketBytes, _ core: ReactorCore) -> Bool {
        let (plan, connections) = tunnel.admission()
        guard plan.isPlain else { return handOver(descriptor) }
        guard let place = tunnel.descriptors.place(for: .target, count: 2) else {
            _ = close(descriptor)
            tunnel.refuseUser()
            return false
        }
        if plan.keepAlive != inherited { KeepAlive.set(plan.keepAlive, on: descriptor) }
        let user = RelayedUser(tunnel, plan, connections, place, address)
        if let other = lighter(than: core) {
            // Counted at once, so that the next one sees it.
            other.load.wrappingAdd(1, ordering: .relaxed)
            let handed = Handed(user: user)
            other.submit(or: { _ = close(descriptor) }) { [reactors] core in
                handed.user.begin(descriptor, core, reactors[core.index])
            }
        } else {
            user.begin(descriptor, core, reactors[core.index])
        }
        return true
    }

    /// A reactor with clearly fewer pairs: an idle one that is woken first would get all long transfers.
    private func lighter(than core: ReactorCore) -> Reactor? {
        reactors.first { $0 !== reactors[core.index] && $0.load.load(ordering: .relaxed) + 1 < core.count }
    }

    /// On its way from one reactor to another; only one of them uses it at any time.
    private struct Handed: @unchecked Sendable {
        let user: RelayedUser
    }

    /// What is not plain goes through a channel.
    private func handOver(_ descriptor: Int32) -> Bool {
        guard let places = tunnel.descriptors.userAndTarget() else {
            _ = close(descriptor)
            tunnel.refuseUser()
            return false
        }
        ClientBootstrap(group: group)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.writeBufferWaterMark, value: .relay)
            .channelInitializer { [tunnel] channel in
                channel.eventLoop.makeCompletedFuture {
                    places.user.keep(for: channel)
                    try Listener.prepareUser(channel, .target(places.target), for: tunnel)
                }
            }
            .withConnectedSocket(descriptor)
            .whenFailure { [tunnel] error in tunnel.log.write(.debug, "user lost: \(ErrorText.words(for: error))") }
        return true
    }

    func acceptFailed(_ error: Int32) {
        guard tunnel.descriptors.budget.isLineDue() else { return }
        tunnel.log.write(.error, .acceptPaused, "Accepting is paused: \(String(cString: strerror(error)))")
    }
}
