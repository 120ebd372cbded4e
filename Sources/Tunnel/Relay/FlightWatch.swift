import Glibc
import NIOCore
import NIOPosix

/// Finds TCP peers that vanish while bytes are on their way to them.
///
/// Keepalive asks nothing while bytes wait for their acknowledgement, and the kernel repeats them
/// for a quarter of an hour. `TCP_USER_TIMEOUT` shortens that, but it also ends a peer that is there
/// and takes nothing for a while. So it is set while bytes are in flight, and taken back where they
/// wait for such a peer to read on. Lives on the channels' loop.
final class FlightWatch {
    private let keepAlive: KeepAlive
    private var sides: [Side]
    private var check: Scheduled<Void>?

    private struct Side {
        let channel: any Channel
        var isLimited = false
    }

    /// The part of Linux's `struct tcp_info` up to what is needed of it.
    struct Info: Sendable {
        private var head: (UInt8, UInt8, UInt8) = (0, 0, 0)
        /// Questions to a peer with a closed window that it has not answered.
        var probes: UInt8 = 0
        private var settings: (UInt32, UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0, 0)
        /// Segments that have been sent and not acknowledged.
        var inFlight: UInt32 = 0
        private var losses: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0, 0, 0, 0)
        /// Since the last acknowledgement.
        var silentMilliseconds: UInt32 = 0
        private var pathLimit: UInt32 = 0
        private var figures: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) =
            (0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        /// Bytes that have not been sent.
        var unsent: UInt32 = 0
        private var last: UInt32 = 0

        init() {}

        /// Unanswered questions after which a peer with a closed window may be gone; one may be lost.
        private static let probeLimit = 3

        func verdict(_ patience: Duration) -> Verdict {
            if inFlight > 0 { return .inFlight }
            guard unsent > 0 else { return .delivered }
            let isSilent = Duration.milliseconds(silentMilliseconds) >= patience
            return isSilent && probes >= Self.probeLimit ? .gone : .waiting
        }
    }

    enum Verdict: Sendable {
        case delivered
        /// The peer has not acknowledged everything yet.
        case inFlight
        /// The peer is there and takes nothing.
        case waiting
        /// It took nothing, and then answered nothing.
        case gone
    }

    init(_ keepAlive: KeepAlive, _ channels: [any Channel]) {
        self.keepAlive = keepAlive
        sides = channels.map { Side(channel: $0) }
    }

    /// Bytes have been given to one of the channels.
    func wrote(on loop: any EventLoop) {
        guard check == nil else { return }
        check = loop.assumeIsolated().scheduleTask(in: TimeAmount(keepAlive.interval * 2)) {
            self.check = nil
            for index in self.sides.indices { self.look(at: index, loop) }
        }
    }

    func stop() {
        check?.cancel()
        check = nil
        sides = []
    }

    private func look(at index: Int, _ loop: any EventLoop) {
        // The first one's end may have stopped the watch.
        guard sides.indices.contains(index) else { return }
        let channel = sides[index].channel
        guard channel.isActive, let socket = channel as? any SocketOptionProvider else { return }
        let info: EventLoopFuture<Info> = socket.unsafeGetSocketOption(level: .tcp, name: .tcpInfo)
        info.assumeIsolated().whenSuccess { info in
            guard self.sides.indices.contains(index) else { return }
            let verdict = info.verdict(self.keepAlive.patience)
            if verdict == .gone { return channel.cut() }
            let isLimited = verdict == .inFlight
            if self.sides[index].isLimited != isLimited {
                self.sides[index].isLimited = isLimited
                self.limit(channel, to: isLimited ? self.keepAlive.patience : .zero)
            }
            if verdict != .delivered { self.wrote(on: loop) }
        }
    }

    /// Zero is the kernel's own limit.
    private func limit(_ channel: any Channel, to patience: Duration) {
        let milliseconds = SocketOptionValue(clamping: patience.components.seconds * 1000)
        try? channel.syncOptions?.setOption(.tcpOption(.userTimeout), value: milliseconds)
    }
}

extension NIOBSDSocket.Option {
    fileprivate static let tcpInfo = Self(rawValue: TCP_INFO)
}
