import FoundationEssentials
import NIOCore

/// Connections of former runs that may still finish, each run's up to its own limit.
struct Drains {
    private struct Drain {
        let connections: ConnectionGroup
        let deadline: Date
        let cut: Scheduled<Void>
        /// They would go on if the tunnel came back.
        var mayReturn = false
    }

    private var open: [Drain] = []

    var count: Int { open.count }
    var connections: [ConnectionGroup] { open.map(\.connections) }
    /// When the last of them is cut.
    var deadline: Date? { open.map(\.deadline).max() }

    /// Gives these connections `limit` to finish; false when none is left to wait for.
    mutating func add(
        _ connections: ConnectionGroup,
        limit: Duration,
        mayReturn: Bool,
        on loop: any EventLoop
    ) -> Bool {
        guard connections.count > 0 else { return false }
        guard limit > .zero else {
            connections.cut()
            return false
        }
        let cut = loop.scheduleTask(in: TimeAmount(limit)) { connections.cut() }
        let deadline = Date(timeIntervalSinceNow: limit / .seconds(1))
        open.append(Drain(connections: connections, deadline: deadline, cut: cut, mayReturn: mayReturn))
        return true
    }

    /// Lets none of them last longer than `limit` from now.
    mutating func shorten(to limit: Duration, on loop: any EventLoop) {
        let deadline = Date(timeIntervalSinceNow: limit / .seconds(1))
        for (index, drain) in open.enumerated() where drain.deadline > deadline {
            drain.cut.cancel()
            let cut = loop.scheduleTask(in: TimeAmount(limit)) { drain.connections.cut() }
            open[index] = Drain(
                connections: drain.connections,
                deadline: deadline,
                cut: cut,
                mayReturn: drain.mayReturn
            )
        }
    }

    /// Those that drain only because the tunnel left: they have no limit any more.
    mutating func takeBack() -> [ConnectionGroup] {
        let returning = open.filter(\.mayReturn)
        open.removeAll(where: \.mayReturn)
        for drain in returning { drain.cut.cancel() }
        return returning.map(\.connections)
    }

    mutating func removeFinished() {
        for drain in open where drain.connections.count == 0 { drain.cut.cancel() }
        open.removeAll { $0.connections.count == 0 }
    }
}
