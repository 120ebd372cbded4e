import FoundationEssentials
import Tunnel

/// The figures of one instance at the moment they were reported.
struct TrafficReport: Sendable, Hashable {
    /// Longest silence about a running instance: dashboards take five minutes without an event for a lost one.
    static let idleSeconds = 60.0

    /// What makes a report worth sending to everybody.
    private struct Figures: Hashable {
        let traffic: Traffic
        let tcpConnections: Int
        let udpSessions: Int
        let poolIdle: Int
        /// An attempt that fails in another way is not an event of its own.
        let reason: TunnelReason?
        let message: String
    }

    private let time: Date
    private let figures: Figures

    init(_ status: TunnelStatus, time: Date) {
        self.time = time
        figures = Figures(
            traffic: status.traffic,
            tcpConnections: status.tcpConnections,
            udpSessions: status.udpSessions,
            poolIdle: status.poolIdle,
            reason: status.reason,
            message: status.message
        )
    }

    func isDue(after last: TrafficReport?) -> Bool {
        guard let last else { return true }
        return last.figures != figures || time.timeIntervalSince(last.time) >= Self.idleSeconds
    }
}
