package import Config
package import NIOCore

/// Connects to an address as a tunnel's users are connected to its target, and hangs up at once.
///
/// It shares what is known of names with the tunnels: a name that has moved is found by both or by
/// neither.
package struct TargetProbe: Sendable {
    private let dialer: TargetDialer
    private let group: any EventLoopGroup

    init(dialer: TargetDialer, group: any EventLoopGroup) {
        self.dialer = dialer
        self.group = group
    }

    /// One of its own, beside any engine.
    package init(group: any EventLoopGroup, environment: TunnelEnvironment = TunnelEnvironment()) {
        self.init(dialer: TargetDialer(resolver: TargetResolver(), environment: environment), group: group)
    }

    /// Throws `TunnelError` for a name that has no address, what the last address answered, or
    /// `ChannelError.connectTimeout`.
    package func reach(_ endpoint: Endpoint, within limit: Duration) async throws {
        let loop = group.any()
        let spec = TunnelSpec(role: .client, tunnel: endpoint, targets: [endpoint])
        let reached = loop.makePromise(of: Void.self)
        let deadline = loop.scheduleTask(in: TimeAmount(limit)) {
            reached.fail(ChannelError.connectTimeout(TimeAmount(limit)))
        }
        reached.futureResult.whenComplete { _ in deadline.cancel() }
        dialer.probe(endpoint, ForwardingPlan(spec, following: nil), on: loop)
            .map { $0.channel.close(promise: nil) }
            .cascade(to: reached)
        try await reached.futureResult.get()
    }
}
