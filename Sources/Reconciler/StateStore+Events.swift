import GRDB
package import Tunnel

#if canImport(FoundationEssentials)
package import FoundationEssentials
#else
package import Foundation
#endif

/// An event that is not in the store yet, and so has no number.
package struct EventDraft: Sendable, Hashable {
    package let kind: InstanceEvent.Kind
    package let time: Date
    package let instanceID: InstanceID?
    package let payload: String

    package init(kind: InstanceEvent.Kind, time: Date, instanceID: InstanceID?, payload: String) {
        self.kind = kind
        self.time = time
        self.instanceID = instanceID
        self.payload = payload
    }
}

extension StateStore {
    /// The events after this id, oldest first, at most `limit` of them.
    package func events(after id: Int64, limit: Int) async throws(StateStoreError) -> [InstanceEvent] {
        try await readAsync { database in
            let rows = try Row.fetchAll(
                database,
                sql: "SELECT id, kind, instance_id, payload FROM event WHERE id > ? ORDER BY id LIMIT ?",
                arguments: [id, limit]
            )
            return rows.compactMap(StateStore.event)
        }
    }

    /// The first and last id in the log, or nil while it is empty.
    package func eventBounds() throws(StateStoreError) -> ClosedRange<Int64>? {
        try read { database in
            // Two questions: SQLite answers each from the end of the table, and both in one by reading all of it.
            let row = try Row.fetchOne(
                database,
                sql: "SELECT (SELECT min(id) FROM event) AS first, (SELECT max(id) FROM event) AS last"
            )
            guard let first = row?["first"] as Int64?, let last = row?["last"] as Int64? else { return nil }
            return first...last
        }
    }

    /// Numbers and inserts the drafts; part of a larger transaction.
    static func insert(_ drafts: [EventDraft], into database: Database) throws -> [InstanceEvent] {
        guard !drafts.isEmpty else { return [] }
        let statement = try database.cachedStatement(
            sql: "INSERT INTO event (time, kind, instance_id, payload) VALUES (?, ?, ?, ?)"
        )
        return try drafts.map { draft in
            try statement.execute(arguments: [draft.time, draft.kind.rawValue, draft.instanceID, draft.payload])
            let id = database.lastInsertedRowID
            if id % Int64(pruneInterval) == 0 { try prune(upTo: id - Int64(eventLimit), in: database) }
            return InstanceEvent(id: id, kind: draft.kind, instanceID: draft.instanceID, payload: draft.payload)
        }
    }

    private static func prune(upTo id: Int64, in database: Database) throws {
        try database.execute(sql: "DELETE FROM event WHERE id <= ?", arguments: [id])
    }

    private static func event(_ row: Row) -> InstanceEvent? {
        guard let kind = InstanceEvent.Kind(rawValue: row["kind"]) else { return nil }
        return InstanceEvent(id: row["id"], kind: kind, instanceID: row["instance_id"], payload: row["payload"])
    }
}
