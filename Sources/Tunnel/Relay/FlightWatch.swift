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
        let info: EventLoopFuture<PeerFlight> = socket.unsafeGetSocketOption(level: .tcp, name: .tcpInfo)
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
