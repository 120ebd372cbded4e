import FoundationEssentials
import Tunnel

/// What waits for the next pass: records to store, and what clients are to learn with it.
///
/// It is emptied only when the store has taken everything, so that a store that refuses loses nothing.
struct Outbox: Sendable {
    /// Notices that wait for a store that refuses writes; more are dropped, the log has them.
    static let noticeLimit = 256

    /// Instances whose record changed in memory: by a manifest or an expiry.
    private(set) var records: Set<InstanceID> = []
    /// Instances that get an `update` though nothing a client compares has changed (a reset).
    private(set) var updates: Set<InstanceID> = []
    /// With the time when each happened, which is not when a store takes it that was full for a while.
    private(set) var notices: [RecordedEvent] = []
    /// The next pass is reported though it may do nothing: clients learn that a rejection has ended.
    private var reportsPass = false

    mutating func addRecords(_ ids: some Sequence<InstanceID>) { records.formUnion(ids) }

    /// Its record has gone to the store by another way.
    mutating func removeRecord(_ id: InstanceID) { records.remove(id) }

    mutating func addUpdate(_ id: InstanceID) { updates.insert(id) }

    mutating func add(_ notice: ReconcileNotice, at time: Date) {
        if notices.count < Self.noticeLimit { notices.append(RecordedEvent(time: time, .notice(notice))) }
    }

    mutating func reportPass() { reportsPass = true }

    /// Whether this pass has to be reported whatever it does; asked once.
    mutating func takePassReport() -> Bool {
        defer { reportsPass = false }
        return reportsPass
    }

    /// The store has everything.
    mutating func empty() {
        records = []
        updates = []
        notices = []
    }
}
