import Tunnel

/// Reports the figures of all instances in turn: a limited number at once, and what is left a second later each.
///
/// With more instances than the limit the interval stretches.
struct ReportRound: Sendable {
    /// Reports at once, for all readers together.
    static let batchLimit = 1_000
    static let batchPause = Duration.seconds(1)

    private var left: ArraySlice<InstanceID> = []

    /// All have had their turn, or there was no round yet.
    var isOver: Bool { left.isEmpty }

    mutating func begin(_ ids: some Sequence<InstanceID>) { left = ids.sorted()[...] }

    mutating func end() { left = [] }

    /// The reports that are due now; `report` gives nil for an instance that has none.
    mutating func batch<Report>(_ report: (InstanceID) -> Report?) -> [Report] {
        var reports: [Report] = []
        while reports.count < Self.batchLimit, let id = left.popFirst() {
            if let one = report(id) { reports.append(one) }
        }
        return reports
    }

    /// How long to wait for the next batch.
    func pause(_ interval: Duration) -> Duration { isOver ? interval : min(Self.batchPause, interval) }
}
