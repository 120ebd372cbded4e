import Tunnel

/// Adds what the engine counts to the totals that records keep, each byte once.
///
/// The engine's counters begin at zero with each daemon; a record's total lasts. What was folded
/// into the record is remembered, and only what was counted since comes on top.
struct TrafficLedger: Sendable {
    /// The engine's counters at the moment they were last folded into a record.
    private var folded: [InstanceID: Traffic] = [:]

    /// `stored` is the record's total.
    func total(_ id: InstanceID, stored: Traffic, _ status: TunnelStatus?) -> Traffic {
        guard let live = status?.traffic else { return stored }
        return stored + (live - (folded[id] ?? Traffic()))
    }

    /// The totals that differ from the stored ones.
    func changes(
        in records: [InstanceID: InstanceRecord],
        _ actual: [InstanceID: TunnelStatus]
    ) -> [InstanceID: Traffic] {
        var changes: [InstanceID: Traffic] = [:]
        for (id, status) in actual where status.traffic != folded[id] ?? Traffic() {
            if let record = records[id] { changes[id] = total(id, stored: record.traffic, status) }
        }
        return changes
    }

    /// What the engine counted up to here is in the record, or is not to count (a reset).
    mutating func fold(_ id: InstanceID, _ status: TunnelStatus?) {
        folded[id] = status?.traffic
    }

    /// The engine forgets the instance and would begin at zero.
    mutating func forget(_ id: InstanceID) {
        folded[id] = nil
    }
}
