import FoundationEssentials
import GRDB
package import Tunnel

extension EventLog {
    var table: String {
        switch self {
        case .instances: "instance_event"
        case .reconciler: "notice_event"
        }
    }
}

extension StateStore {
    /// The events after this id, oldest first, at most `limit` of them.
    package func events(
        after id: Int64,
        limit: Int,
        in log: EventLog = .instances
    ) async throws(StateStoreError) -> [RecordedEvent] {
        try await readAsync { database in
            let rows = try Row.fetchAll(
                database,
                sql: "SELECT * FROM \(log.table) WHERE id > ? ORDER BY id LIMIT ?",
                arguments: [id, limit]
            )
            return rows.compactMap { StateStore.event($0, in: log) }
        }
    }

    /// The last events of one instance, oldest first.
    package func lastEvents(
        of instance: InstanceID,
        limit: Int,
        in log: EventLog
    ) async throws(StateStoreError) -> [RecordedEvent] {
        try await readAsync { database in
            let rows = try Row.fetchAll(
                database,
                sql: "SELECT * FROM \(log.table) WHERE instance_id = ? ORDER BY id DESC LIMIT ?",
                arguments: [instance, limit]
            )
            return rows.reversed().compactMap { StateStore.event($0, in: log) }
        }
    }

    /// The newest events since a time, oldest first, at most `limit` of them.
    func events(
        since start: Date,
        limit: Int,
        in log: EventLog
    ) async throws(StateStoreError) -> [RecordedEvent] {
        try await readAsync { database in
            let rows = try Row.fetchAll(
                database,
                sql: "SELECT * FROM \(log.table) WHERE time >= ? ORDER BY id DESC LIMIT ?",
                arguments: [start.timeIntervalSince1970, limit]
            )
            return rows.reversed().compactMap { StateStore.event($0, in: log) }
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

    /// The last id the log has given, also where that event is gone; 0 before the first.
    package func lastEventID(of log: EventLog) throws(StateStoreError) -> Int64 {
        try read { database in
            let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?"
            return try Int64.fetchOne(database, sql: sql, arguments: [log.table]) ?? 0
        }
    }

    /// Numbers and inserts the events; part of a larger transaction.
    static func insert(_ events: [RecordedEvent], into database: Database) throws -> [RecordedEvent] {
        var numbered: [RecordedEvent] = []
        for var event in events {
            switch event.content {
            case .instance(let kind, let instance):
                try insert(kind, instance, at: event.time, into: database)
            case .notice(let notice):
                try insert(notice, at: event.time, into: database)
            case .logLine, .shutdown:
                continue
            }
            let id = database.lastInsertedRowID
            if id % Int64(pruneInterval) == 0 { try prune(event.kind.log, upTo: id - Int64(eventLimit), in: database) }
            event.id = id
            numbered.append(event)
        }
        return numbered
    }

    private static func prune(_ log: EventLog, upTo id: Int64, in database: Database) throws {
        try database.execute(sql: "DELETE FROM \(log.table) WHERE id <= ?", arguments: [id])
    }

    /// Nil for a kind that only a later version knows.
    static func event(_ row: Row, in log: EventLog) -> RecordedEvent? {
        let content: RecordedEvent.Content? =
            switch log {
            case .instances:
                StreamEvent.Kind(rawValue: row["kind"]).map { .instance($0, snapshot(row)) }
            case .reconciler:
                notice(row).map { .notice($0) }
            }
        return content.map { RecordedEvent(id: row["id"], time: time(row["time"]), $0) }
    }
}

// MARK: - Times

extension StateStore {
    /// Seconds since 1970 with their fraction: a replayed event has the very time it was first sent with.
    static func seconds(_ time: Date?) -> Double? { time?.timeIntervalSince1970 }

    static func time(_ seconds: Double) -> Date { Date(timeIntervalSince1970: seconds) }
}
