import Config
package import Reconciler
import Tunnel

/// What one tunnel moved, step by step.
package struct HistoryView: WireView {
    package struct Source: Sendable {
        let id: String
        let stepSeconds: Int64
        let samples: [HistorySample]
    }

    package static let name = "History"
    package static let summary = "What one tunnel moved, step by step"
    package static let table = WireTable(HistoryView())

    package let id = Field("id", .id) { $0.id }
    package let step = Field("step", .count("Length of a step in seconds")) { $0.stepSeconds }
    package let points = Field(
        "points",
        .list(.object(Point.self), "Oldest first; steps in which the daemon did not run are missing")
    ) { $0.samples }

    package init() {}

    package struct Point: WireView {
        package typealias Source = HistorySample

        package static let name = "HistoryPoint"
        package static let summary = "One step"
        package static let table = WireTable(Point())

        package let time = Field("time", .count("The end of the step, in seconds since 1970")) { $0.time }
        package let tcprx = Field("tcprx", .count("Bytes from users in this step")) { $0.traffic.tcpRx }
        package let tcptx = Field("tcptx", .count("Bytes to users in this step")) { $0.traffic.tcpTx }
        package let udprx = Field("udprx", .count("As tcprx, over UDP")) { $0.traffic.udpRx }
        package let udptx = Field("udptx", .count("As tcptx, over UDP")) { $0.traffic.udpTx }
        package let connections = Field(
            "connections",
            .count("At the end of the step; in steps of a minute, the highest number")
        ) { $0.connections }
        package let pool = Field("pool", .count("Idle links")) { $0.pool }

        package init() {}
    }
}
