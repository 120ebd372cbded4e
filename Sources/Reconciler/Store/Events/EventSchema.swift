import GRDB

/// The tables of both event logs.
///
/// Events of former versions were JSON text and are dropped: they are there for clients that resume,
/// which get the `initial` batch instead. Ids go on where they were.
enum EventSchema {
    static func create(in database: Database) throws {
        try database.execute(sql: instanceEvents + notices)
        for (former, table) in [("event", EventLog.instances.table), ("reconcile_event", EventLog.reconciler.table)] {
            try database.execute(
                sql: """
                    INSERT INTO sqlite_sequence (name, seq) SELECT ?, seq FROM sqlite_sequence WHERE name = ?;
                    """,
                arguments: [table, former]
            )
            try database.execute(sql: "DROP TABLE \(former)")
        }
    }

    /// `time`, `ready_since` and `drain_until` are seconds since 1970.
    private static let instanceEvents = """
        CREATE TABLE instance_event (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            time REAL NOT NULL,
            kind TEXT NOT NULL,
            instance_id TEXT NOT NULL,
            name TEXT,
            origin TEXT NOT NULL,
            source TEXT,
            role TEXT NOT NULL,
            url TEXT NOT NULL,
            config TEXT NOT NULL,
            alias TEXT NOT NULL,
            tags TEXT NOT NULL,
            peer TEXT NOT NULL,
            autostart BOOLEAN NOT NULL,
            phase TEXT NOT NULL,
            revision TEXT NOT NULL,
            override TEXT,
            tcp_rx INTEGER NOT NULL,
            tcp_tx INTEGER NOT NULL,
            udp_rx INTEGER NOT NULL,
            udp_tx INTEGER NOT NULL,
            reason TEXT,
            message TEXT NOT NULL,
            mode INTEGER NOT NULL,
            ping INTEGER NOT NULL,
            pool INTEGER NOT NULL,
            tcps INTEGER NOT NULL,
            udps INTEGER NOT NULL,
            ready_since REAL,
            draining INTEGER NOT NULL,
            drain_until REAL,
            rejected INTEGER NOT NULL,
            certificate TEXT
        );
        CREATE INDEX instance_event_instance ON instance_event(instance_id, id);

        """

    private static let notices = """
        CREATE TABLE notice_event (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            time REAL NOT NULL,
            kind TEXT NOT NULL,
            instance_id TEXT,
            name TEXT,
            alias TEXT,
            revision TEXT,
            counts TEXT,
            steps TEXT,
            failing TEXT,
            problems INTEGER,
            diagnostics TEXT,
            override TEXT,
            cause TEXT,
            by TEXT,
            phase TEXT,
            reason TEXT,
            message TEXT,
            resolved BOOLEAN
        );
        CREATE INDEX notice_event_instance ON notice_event(instance_id, id);

        """
}
