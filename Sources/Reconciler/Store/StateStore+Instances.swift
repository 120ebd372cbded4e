import Config
import FoundationEssentials
import GRDB
package import Tunnel

/// The records of one reading of the store, and the rows that could not become one.
package struct StoredInstances: Sendable {
    package var records: [InstanceRecord] = []
    /// Id and problem of rows whose URL can no longer be read; they stay in the store untouched.
    package var unusable: [InstanceID: String] = [:]

    package init() {}
}

extension StateStore {
    /// Writes changed records, removes ended ones and appends events in one transaction, and returns the numbered events.
    ///
    /// Keys that are replaced or removed with it are masked in the stored events, the new ones too.
    @discardableResult
    package func save(
        _ records: [InstanceRecord] = [],
        removing removed: [InstanceID] = [],
        events: [RecordedEvent] = []
    ) throws(StateStoreError) -> [RecordedEvent] {
        guard !(records.isEmpty && removed.isEmpty && events.isEmpty) else { return [] }
        let (numbered, hasMasked) = try write { database in
            var losing = Set(removed)
            for id in removed {
                try database.execute(sql: "DELETE FROM instance WHERE id = ?", arguments: [id])
            }
            for record in records {
                let before = try StateStore.keys(of: record.id, in: database)
                try StateStore.upsert(record, into: database)
                guard !before.isEmpty else { continue }
                if !before.isSubset(of: try StateStore.keys(of: record.id, in: database)) { losing.insert(record.id) }
            }
            let numbered = try StateStore.insert(events, into: database)
            return (numbered, try StateStore.maskReplacedKeys(of: losing, in: database))
        }
        if hasMasked { scrub() }
        return numbered
    }

    package func saveTraffic(_ totals: [InstanceID: Traffic]) throws(StateStoreError) {
        guard !totals.isEmpty else { return }
        try write { database in
            let statement = try database.cachedStatement(
                sql: "UPDATE instance SET tcp_rx = ?, tcp_tx = ?, udp_rx = ?, udp_tx = ? WHERE id = ?"
            )
            for (id, total) in totals {
                try statement.execute(arguments: StateStore.counters(total) + [id])
            }
        }
    }

    package func instances() throws(StateStoreError) -> StoredInstances {
        try read { database in
            var overrides: [InstanceID: Override] = [:]
            for row in try Row.fetchAll(database, sql: "SELECT * FROM override") {
                overrides[row["instance_id"]] = StateStore.override(row)
            }
            var stored = StoredInstances()
            for row in try Row.fetchAll(database, sql: "SELECT * FROM instance ORDER BY id") {
                do throws(TunnelURLError) {
                    stored.records.append(try StateStore.record(row, override: overrides[row["id"]]))
                } catch {
                    stored.unusable[row["id"]] = "its URL cannot be read"
                }
            }
            return stored
        }
    }
}

// MARK: - Rows

extension StateStore {
    static func upsert(_ record: InstanceRecord, into database: Database) throws {
        // Not REPLACE: that would delete the row first, and the override with it.
        let upsert = try database.cachedStatement(
            sql: """
                INSERT INTO instance (id, name, origin, url, spec_url, alias, tags, peer, autostart, running, generation,
                    revision, source, secret_paths, tcp_rx, tcp_tx, udp_rx, udp_tx, created_at, announced, departing)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO UPDATE SET name = excluded.name, origin = excluded.origin, url = excluded.url,
                    spec_url = excluded.spec_url, alias = excluded.alias, tags = excluded.tags, peer = excluded.peer,
                    autostart = excluded.autostart, running = excluded.running, generation = excluded.generation,
                    revision = excluded.revision, source = excluded.source,
                    secret_paths = excluded.secret_paths, tcp_rx = excluded.tcp_rx,
                    tcp_tx = excluded.tcp_tx, udp_rx = excluded.udp_rx, udp_tx = excluded.udp_tx,
                    announced = excluded.announced, departing = excluded.departing
                """
        )
        try upsert.execute(
            arguments: [
                record.id, record.name, record.origin.rawValue, record.url, record.spec.url,
                record.labels.alias, RecordText.json(record.labels.tags), RecordText.json(record.labels.peer),
                record.autostart, record.running, record.generation,
                record.revision, record.source.map(RecordText.text),
                RecordText.json(record.secretPaths),
            ] + counters(record.traffic) + [record.createdAt, record.announced, record.departing]
        )
        let release = try database.cachedStatement(sql: "DELETE FROM override WHERE instance_id = ?")
        try release.execute(arguments: [record.id])
        guard let override = record.override else { return }
        try database.execute(
            sql: """
                INSERT INTO override (instance_id, running, url, alias, tags, peer, autostart, deleted, since, until, by,
                    note, revision)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                record.id, override.running, override.url, override.alias, override.tags.map(RecordText.json),
                override.peer.map(RecordText.json), override.autostart, override.deleted, override.since,
                override.until, override.by.description, override.note, override.revision,
            ]
        )
    }

    /// SQLite's integers are signed; counters beyond 2^63 keep their bits.
    static func counters(_ traffic: Traffic) -> StatementArguments {
        [
            Int64(bitPattern: traffic.tcpRx), Int64(bitPattern: traffic.tcpTx),
            Int64(bitPattern: traffic.udpRx), Int64(bitPattern: traffic.udpTx),
        ]
    }

    private static func record(_ row: Row, override: Override?) throws(TunnelURLError) -> InstanceRecord {
        let origin = Instance.Origin(rawValue: row["origin"]) ?? .api
        let url: String = row["url"]
        let specURL: String = row["spec_url"]
        var record = InstanceRecord(
            id: row["id"],
            name: row["name"],
            origin: origin,
            source: (row["source"] as String?).flatMap(RecordText.location),
            url: url,
            spec: try TunnelURL.parse(origin == .api ? url : specURL).spec,
            labels: labels(row),
            revision: row["revision"],
            createdAt: row["created_at"]
        )
        record.secretPaths = RecordText.paths(row["secret_paths"])
        record.autostart = row["autostart"]
        record.running = row["running"]
        record.generation = row["generation"]
        record.announced = row["announced"]
        record.departing = row["departing"]
        record.traffic = counters(of: row)
        record.override = override
        if let overriding = override?.url {
            record.overrideSpec = Shared(wrappedValue: try TunnelURL.parse(overriding).spec)
        }
        return record
    }

    static func labels(_ row: Row) -> TunnelLabels {
        TunnelLabels(
            alias: row["alias"],
            tags: RecordText.tags(row["tags"]),
            peer: RecordText.peer(row["peer"])
        )
    }

    static func counters(of row: Row) -> Traffic {
        Traffic(
            tcpRx: UInt64(bitPattern: row["tcp_rx"]),
            tcpTx: UInt64(bitPattern: row["tcp_tx"]),
            udpRx: UInt64(bitPattern: row["udp_rx"]),
            udpTx: UInt64(bitPattern: row["udp_tx"])
        )
    }

    private static func override(_ row: Row) -> Override {
        var override = Override(
            since: row["since"],
            until: row["until"],
            by: Author(stored: row["by"]),
            note: row["note"],
            revision: row["revision"]
        )
        override.running = row["running"]
        override.url = row["url"]
        override.alias = row["alias"]
        override.tags = (row["tags"] as String?).map(RecordText.tags)
        override.peer = (row["peer"] as String?).map(RecordText.peer)
        override.autostart = row["autostart"]
        override.deleted = row["deleted"]
        return override
    }
}
