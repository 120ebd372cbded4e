import FoundationEssentials
import Tunnel

/// What clients know of each instance, and what they are not to see before its `create`.
struct Announcements: Sendable {
    /// Log lines that wait for the `create` of their instance; more are dropped.
    static let heldLineLimit = 1_024

    private(set) var instances: [InstanceID: AnnouncedInstance] = [:]
    private var heldLines: [(id: InstanceID, text: String)] = []

    init(records: [InstanceRecord]) {
        for record in records where record.announced { instances[record.id] = AnnouncedInstance(record: record) }
    }

    subscript(id: InstanceID) -> AnnouncedInstance? {
        get { instances[id] }
        set { instances[id] = newValue }
    }

    /// The last form of each instance, which is what the plan of a pass starts from.
    var lastForms: [InstanceID: DesiredInstance] { instances.compactMapValues(\.last) }

    /// True for a line that may be passed on now; another one is kept until its instance is announced.
    mutating func admits(_ text: String, of id: InstanceID) -> Bool {
        guard instances[id] == nil else { return true }
        if heldLines.count < Self.heldLineLimit { heldLines.append((id, text)) }
        return false
    }

    /// The lines that were kept, in order.
    mutating func takeHeldLines() -> [(id: InstanceID, text: String)] {
        defer { heldLines = [] }
        return heldLines
    }

    /// Whether the figures of this instance are to be reported now; if so, they count as reported.
    mutating func reports(_ status: TunnelStatus, of id: InstanceID, at time: Date) -> Bool {
        guard !status.isDown, let known = instances[id] else { return false }
        let report = TrafficReport(status, time: time)
        guard report.isDue(after: known.report) else { return false }
        instances[id]?.report = report
        return true
    }

    /// Nobody listens: the next listener gets the figures of every instance.
    mutating func forgetReports() {
        for id in instances.keys { instances[id]?.report = nil }
    }
}
