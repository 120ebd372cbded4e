import Tunnel

/// Adds what the engine counts to the totals that records keep, each byte once.
///
/// The engine's counters begin at zero with each daemon; a record's total lasts. What was folded
/// into the record is remembered, and only what was counted since comes on top.
struct TrafficLedger: Sendable {
    /// The engine's counters at the moment they were last folded into a record, and whose they are.
    private var folded: [InstanceID: (incarnation: Int, traffic: Traffic)] = [:]

    /// `stored` is the record's total.
    func total(_ id: InstanceID, stored: Traffic, _ status: TunnelStatus?) -> Traffic {
        guard let status else { return stored }
        return stored + (status.traffic - folded(id, status))
    }

    private func folded(_ id: InstanceID, _ status: TunnelStatus) -> Traffic {
        guard let known = folded[id], known.incarnation == status.incarnation else { return Traffic() }
        return known.traffic
    }

    /// The totals that differ from the stored ones.
    func changes(
        in records: [InstanceID: InstanceRecord],
        _ actual: [InstanceID: TunnelStatus]
    ) -> [InstanceID: Traffic] {
        var changes: [InstanceID: Traffic] = [:]
        for (id, status) in actual where status.traffic != folded(id, status) {
            if let record = records[id] { changes[id] = total(id, stored: record.traffic, status) }
        }
        return changes
    }

    /// What the engine counted up to here is in the record, or is not to count (a reset).
    mutating func fold(_ id: InstanceID, _ status: TunnelStatus?) {
        folded[id] = status.map { ($0.incarnation, $0.traffic) }
    }

    /// Drops what is known of instances that have no record, once there are many: one that has just
    /// been removed may come back with its counters.
    mutating func prune(to records: [InstanceID: InstanceRecord]) {
        guard folded.count > 2 * DesiredState.instanceLimit else { return }
        folded = folded.filter { records[$0.key] != nil }
    }

    /// The engine forgets the instance and would begin at zero.
    mutating func forget(_ id: InstanceID) {
        folded[id] = nil
    }
}
