import Config
package import Reconciler

/// What all tunnels moved lately.
package struct HistoryOverviewView: WireView {
    package typealias Source = HistoryOverview

    package static let name = "HistoryOverview"
    package static let summary = "What all tunnels moved lately"
    package static let table = WireTable(HistoryOverviewView())

    package let step = Field("step", .count("Length of a step in seconds")) { _ in HistoryResolution.fine.stepSeconds }
    package let times = Field("times", .list(.figure, "Ends of the steps, in seconds since 1970")) { $0.times }
    package let tunnels = Field(
        "tunnels",
        .list(.object(Line.self), "Those that moved anything, the busiest first")
    ) { $0.tunnels }

    package init() {}

    package struct Line: WireView {
        package typealias Source = HistoryOverview.Tunnel

        package static let name = "HistoryLine"
        package static let summary = "One tunnel, with a figure for each of the times"
        package static let table = WireTable(Line())

        package let id = Field("id", .id) { $0.id }
        package let received = Field("in", .list(.figure, "Bytes from users")) { $0.received }
        package let sent = Field("out", .list(.figure, "Bytes to users")) { $0.sent }

        package init() {}
    }
}

extension WireType where Written: BinaryInteger & Sendable, Read == Int64 {
    /// One number of a series.
    fileprivate static var figure: WireType {
        WireType(schema: Schema.count, write: { .int(Int64(clamping: $0)) }, read: { $0?.intValue ?? 0 })
    }
}
