import GRDB

extension StateStore {
    /// One step per released shape of the database; never edit a step, add one.
    static let migrator: DatabaseMigrator = {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1: instances, overrides, settings, events") { database in
            try database.execute(sql: firstSchema)
        }
        migrator.registerMigration("2: reconcile events, secret keys") { database in
            try database.execute(sql: secondSchema)
        }
        migrator.registerMigration("3: history") { database in
            try database.execute(sql: historyTable("history_sample") + historyTable("history_minute"))
        }
        migrator.registerMigration("4: events by instance") { database in
            try database.execute(
                sql: """
                    CREATE INDEX event_instance ON event(instance_id, id);
                    CREATE INDEX reconcile_event_instance ON reconcile_event(instance_id, id);
                    """
            )
        }
        migrator.registerMigration("5: events as columns") { database in
            try EventSchema.create(in: database)
        }
        migrator.registerMigration("6: sealed peers") { database in
            try database.execute(sql: sealedPeerTable)
        }
        migrator.registerMigration("7: notes of requests") { database in
            try database.execute(
                sql: """
                    ALTER TABLE override ADD COLUMN note TEXT;
                    ALTER TABLE \(EventLog.reconciler.table) ADD COLUMN note TEXT;
                    """
            )
        }
        return migrator
    }()

    /// `server` is where a client finds its server, empty for a server's client.
    private static let sealedPeerTable = """
        CREATE TABLE sealed_peer (
            instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
            server TEXT NOT NULL,
            since DATETIME NOT NULL,
            PRIMARY KEY (instance_id, server)
        ) WITHOUT ROWID;
        """

    /// `time` is the end of a step in seconds since 1970, `instance` an id as a number, or -1 for all together.
    private static func historyTable(_ name: String) -> String {
        """
        CREATE TABLE \(name) (
            instance INTEGER NOT NULL,
            time INTEGER NOT NULL,
            tcp_rx INTEGER NOT NULL,
            tcp_tx INTEGER NOT NULL,
            udp_rx INTEGER NOT NULL,
            udp_tx INTEGER NOT NULL,
            connections INTEGER NOT NULL,
            pool INTEGER NOT NULL,
            PRIMARY KEY (instance, time)
        ) WITHOUT ROWID;
        CREATE INDEX \(name)_time ON \(name)(time);

        """
    }

    private static let secondSchema = """
        CREATE TABLE reconcile_event (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            time DATETIME NOT NULL,
            kind TEXT NOT NULL,
            instance_id TEXT,
            payload TEXT NOT NULL
        );
        ALTER TABLE instance ADD COLUMN secret_paths TEXT NOT NULL DEFAULT '["key"]';
        """

    private static let firstSchema = """
        CREATE TABLE setting (
            name TEXT PRIMARY KEY NOT NULL,
            value TEXT NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE instance (
            id TEXT PRIMARY KEY NOT NULL,
            name TEXT UNIQUE,
            origin TEXT NOT NULL,
            url TEXT NOT NULL,
            spec_url TEXT NOT NULL,
            alias TEXT NOT NULL,
            tags TEXT NOT NULL,
            peer TEXT NOT NULL,
            autostart BOOLEAN NOT NULL,
            running BOOLEAN NOT NULL,
            generation INTEGER NOT NULL,
            revision TEXT NOT NULL,
            source TEXT,
            tcp_rx INTEGER NOT NULL,
            tcp_tx INTEGER NOT NULL,
            udp_rx INTEGER NOT NULL,
            udp_tx INTEGER NOT NULL,
            created_at DATETIME NOT NULL,
            announced BOOLEAN NOT NULL,
            departing BOOLEAN NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE override (
            instance_id TEXT PRIMARY KEY NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
            running BOOLEAN,
            url TEXT,
            alias TEXT,
            tags TEXT,
            peer TEXT,
            autostart BOOLEAN,
            deleted BOOLEAN NOT NULL,
            since DATETIME NOT NULL,
            until DATETIME,
            by TEXT NOT NULL,
            revision TEXT NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE event (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            time DATETIME NOT NULL,
            kind TEXT NOT NULL,
            instance_id TEXT,
            payload TEXT NOT NULL
        );
        """
}
