import FoundationEssentials
import NIOCore

/// Connections of former runs that may still finish, each run's up to its own limit.
struct Drains {
    private struct Drain {
        let connections: ConnectionGroup
        let deadline: Date
        let cut: Scheduled<Void>
    }

    private var open: [Drain] = []

    var count: Int { open.count }
    var connections: [ConnectionGroup] { open.map(\.connections) }
    /// When the last of them is cut.
    var deadline: Date? { open.map(\.deadline).max() }

    /// Gives these connections `limit` to finish; false when none is left to wait for.
    mutating func add(_ connections: ConnectionGroup, limit: Duration, on loop: any EventLoop) -> Bool {
        guard connections.count > 0 else { return false }
        guard limit > .zero else {
            connections.cut()
            return false
        }
        let cut = loop.scheduleTask(in: TimeAmount(limit)) { connections.cut() }
        let deadline = Date(timeIntervalSinceNow: limit / .seconds(1))
        open.append(Drain(connections: connections, deadline: deadline, cut: cut))
        return true
    }

    mutating func removeFinished() {
        for drain in open where drain.connections.count == 0 { drain.cut.cancel() }
        open.removeAll { $0.connections.count == 0 }
    }
}
