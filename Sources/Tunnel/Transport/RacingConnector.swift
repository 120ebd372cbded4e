import NIOCore
import NIOPosix

/// Connects to one address over TCP as `ConnectRace` decides.
///
/// The channel that it gives has no handlers yet; those added when its future completes miss nothing.
struct RacingConnector: Sendable {
    let server: SocketAddress
    /// Of each attempt; the race is over with the first one's.
    let timeout: TimeAmount
    /// The right to a second descriptor; without one there is one attempt.
    let secondPlace: @Sendable () -> DescriptorPlace?
    let configure: @Sendable (ClientBootstrap) -> ClientBootstrap

    func connect(on loop: any EventLoop) -> EventLoopFuture<any Channel> {
        loop.flatSubmit { Run(self, loop).start() }
    }

    /// Lives on its loop, until the race is over.
    private final class Run {
        private let connector: RacingConnector
        private let loop: any EventLoop
        private let winner: EventLoopPromise<any Channel>
        private var race = ConnectRace()
        private var channels: [Int: any Channel] = [:]
        private var secondPlace: DescriptorPlace?
        private var turn: Scheduled<Void>?
        private var isOver = false

        init(_ connector: RacingConnector, _ loop: any EventLoop) {
            self.connector = connector
            self.loop = loop
            winner = loop.makePromise(of: (any Channel).self)
        }

        func start() -> EventLoopFuture<any Channel> {
            begin(1)
            scheduleTurn()
            return winner.futureResult
        }

        private func begin(_ attempt: Int) {
            let bound = NIOLoopBound(self, eventLoop: loop)
            connector.configure(ClientBootstrap(group: loop))
                .connectTimeout(connector.timeout)
                .channelInitializer { channel in
                    bound.value.channels[attempt] = channel
                    return channel.eventLoop.makeSucceededVoidFuture()
                }
                .connect(to: connector.server)
                .assumeIsolated()
                .whenComplete { self.ended(attempt, $0) }
        }

        private func scheduleTurn() {
            guard !isOver else { return }
            // Spread, so that the ends of a fleet do not try in step.
            let share = Double.random(in: 0.75...1.25)
            turn = loop.assumeIsolated().scheduleTask(in: TimeAmount(TunnelLimits.connectHedge * share)) {
                self.takeTurn()
            }
        }

        private func takeTurn() {
            secondPlace = secondPlace ?? connector.secondPlace()
            if secondPlace != nil {
                let (attempt, former) = race.next()
                if let former { channels.removeValue(forKey: former)?.close(promise: nil) }
                begin(attempt)
            }
            scheduleTurn()
        }

        private func ended(_ attempt: Int, _ result: Result<any Channel, any Error>) {
            channels[attempt] = nil
            switch result {
            case .success(let channel): if isOver { channel.close(promise: nil) } else { finish(.success(channel)) }
            case .failure(let error): if race.isOver(withFailureOf: attempt) { finish(.failure(error)) }
            }
        }

        private func finish(_ result: Result<any Channel, any Error>) {
            guard !isOver else { return }
            isOver = true
            turn?.cancel()
            for channel in channels.values { channel.close(promise: nil) }
            channels = [:]
            secondPlace = nil
            winner.completeWith(result)
        }
    }
}

extension Channel {
    /// Has the kernel repeat what was lost at least once a second, however long an outage has lasted.
    ///
    /// Linux 6.15 and later; on others the time between two attempts doubles up to two minutes. For
    /// connections that an end gives up within seconds: the kernel also gives up sooner then.
    func boundRetransmission() {
        let milliseconds = SocketOptionValue(TunnelLimits.retransmission.components.seconds * 1000)
        // A stream's connection is what has a socket.
        let socket = self is any SocketOptionProvider ? self : parent
        try? socket?.syncOptions?.setOption(.tcpOption(.retransmissionMax), value: milliseconds)
    }
}

extension NIOBSDSocket.Option {
    /// `TCP_RTO_MAX_MS`, which headers do not have yet.
    fileprivate static let retransmissionMax = Self(rawValue: 44)
}
