import Config
import Synchronization

/// One tunnel's counters, written from event loops and read from any thread.
///
/// Each is exact on its own; a reading of several is not a snapshot of one instant, which nothing
/// here needs.
final class TrafficCounters: Sendable {
    private let tcpRx = Atomic<UInt64>(0)
    private let tcpTx = Atomic<UInt64>(0)
    private let udpRx = Atomic<UInt64>(0)
    private let udpTx = Atomic<UInt64>(0)
    private let tcpOpen = Atomic<Int>(0)
    private let udpOpen = Atomic<Int>(0)
    /// Connections and sessions together, which is what the limit is about.
    private let slots = Atomic<Int>(0)
    private let ping = Atomic<Int>(0)
    private let idleLinks = Atomic<Int>(0)
    private let rejected = Atomic<Int>(0)
    private let refused = Atomic<Int>(0)

    enum Direction {
        case fromUser
        case toUser
    }

    func countTCP(_ bytes: Int, _ direction: Direction) {
        switch direction {
        case .fromUser: tcpRx.wrappingAdd(UInt64(bytes), ordering: .relaxed)
        case .toUser: tcpTx.wrappingAdd(UInt64(bytes), ordering: .relaxed)
        }
    }

    func countUDP(_ bytes: Int, _ direction: Direction) {
        switch direction {
        case .fromUser: udpRx.wrappingAdd(UInt64(bytes), ordering: .relaxed)
        case .toUser: udpTx.wrappingAdd(UInt64(bytes), ordering: .relaxed)
        }
    }

    /// Takes one slot unless `limit` (0 = none) are taken; never overshoots.
    func open(_ transport: TransportProtocol, limit: Int) -> Bool {
        let taken = slots.wrappingAdd(1, ordering: .relaxed).newValue
        guard limit == 0 || taken <= limit else {
            slots.wrappingSubtract(1, ordering: .relaxed)
            return false
        }
        switch transport {
        case .tcp: tcpOpen.wrappingAdd(1, ordering: .relaxed)
        case .udp: udpOpen.wrappingAdd(1, ordering: .relaxed)
        }
        return true
    }

    func close(_ transport: TransportProtocol) {
        switch transport {
        case .tcp: tcpOpen.wrappingSubtract(1, ordering: .relaxed)
        case .udp: udpOpen.wrappingSubtract(1, ordering: .relaxed)
        }
        slots.wrappingSubtract(1, ordering: .relaxed)
    }

    func recordPing(milliseconds: Int) {
        ping.store(milliseconds, ordering: .relaxed)
    }

    func recordIdle(_ links: Int) {
        idleLinks.store(links, ordering: .relaxed)
    }

    /// Counts something that came to a tunnel's port or links and was not its peer's.
    func countRejected() {
        rejected.wrappingAdd(1, ordering: .relaxed)
    }

    /// Counts a user for whom there was no descriptor.
    func countRefused() {
        refused.wrappingAdd(1, ordering: .relaxed)
    }

    /// Copies the current values into a status.
    func fill(_ status: inout TunnelStatus) {
        status.tcpConnections = tcpOpen.load(ordering: .relaxed)
        status.udpSessions = udpOpen.load(ordering: .relaxed)
        status.pingMilliseconds = ping.load(ordering: .relaxed)
        status.poolIdle = idleLinks.load(ordering: .relaxed)
        status.rejected = rejected.load(ordering: .relaxed)
        status.refused = refused.load(ordering: .relaxed)
        status.traffic = Traffic(
            tcpRx: tcpRx.load(ordering: .relaxed),
            tcpTx: tcpTx.load(ordering: .relaxed),
            udpRx: udpRx.load(ordering: .relaxed),
            udpTx: udpTx.load(ordering: .relaxed)
        )
    }
}
