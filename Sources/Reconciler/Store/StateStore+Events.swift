package import FoundationEssentials
import GRDB
package import Tunnel

/// An event that is not in the store yet, and so has no number.
package struct EventDraft: Sendable, Hashable {
    package let kind: StreamEvent.Kind
    package let time: Date
    package let instanceID: InstanceID?
    package let payload: String

    package init(kind: StreamEvent.Kind, time: Date, instanceID: InstanceID?, payload: String) {
        self.kind = kind
        self.time = time
        self.instanceID = instanceID
        self.payload = payload
    }
}

extension EventLog {
    fileprivate var table: String {
        switch self {
        case .instances: "event"
        case .reconciler: "reconcile_event"
        }
    }
}

extension StateStore {
    /// The events after this id, oldest first, at most `limit` of them.
    package func events(
        after id: Int64,
        limit: Int,
        in log: EventLog = .instances
    ) async throws(StateStoreError) -> [StreamEvent] {
        try await readAsync { database in
            let rows = try Row.fetchAll(
                database,
                sql: "SELECT id, kind, instance_id, payload FROM \(log.table) WHERE id > ? ORDER BY id LIMIT ?",
                arguments: [id, limit]
            )
            return rows.compactMap(StateStore.event)
        }
    }

    /// The last events of one instance, oldest first.
    package func lastEvents(
        of instance: InstanceID,
        limit: Int,
        in log: EventLog
    ) async throws(StateStoreError) -> [StreamEvent] {
        try await readAsync { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT id, kind, instance_id, payload FROM \(log.table) WHERE instance_id = ?
                    ORDER BY id DESC LIMIT ?
                    """,
                arguments: [instance, limit]
            )
            return rows.reversed().compactMap(StateStore.event)
        }
    }

    /// The first and last id in the log, or nil while it is empty.
    package func eventBounds(of log: EventLog = .instances) throws(StateStoreError) -> ClosedRange<Int64>? {
        try read { database in
            // Two questions: SQLite answers each from the end of the table, and both in one by reading all of it.
            let row = try Row.fetchOne(
                database,
                sql: """
                    SELECT (SELECT min(id) FROM \(log.table)) AS first, (SELECT max(id) FROM \(log.table)) AS last
                    """
            )
            guard let first = row?["first"] as Int64?, let last = row?["last"] as Int64? else { return nil }
            return first...last
        }
    }

    /// Numbers and inserts the drafts; part of a larger transaction.
    static func insert(_ drafts: [EventDraft], into database: Database) throws -> [StreamEvent] {
        try drafts.map { draft in
            let table = draft.kind.log.table
            let statement = try database.cachedStatement(
                sql: "INSERT INTO \(table) (time, kind, instance_id, payload) VALUES (?, ?, ?, ?)"
            )
            try statement.execute(arguments: [draft.time, draft.kind.rawValue, draft.instanceID, draft.payload])
            let id = database.lastInsertedRowID
            if id % Int64(pruneInterval) == 0 { try prune(table, upTo: id - Int64(eventLimit), in: database) }
            return StreamEvent(id: id, kind: draft.kind, instanceID: draft.instanceID, payload: draft.payload)
        }
    }

    private static func prune(_ table: String, upTo id: Int64, in database: Database) throws {
        try database.execute(sql: "DELETE FROM \(table) WHERE id <= ?", arguments: [id])
    }

    private static func event(_ row: Row) -> StreamEvent? {
        guard let kind = StreamEvent.Kind(rawValue: row["kind"]) else { return nil }
        return StreamEvent(id: row["id"], kind: kind, instanceID: row["instance_id"], payload: row["payload"])
    }
}
