import GRDB

extension StateStore {
    package func setting(_ name: String) throws(StateStoreError) -> String? {
        try read { database in
            try String.fetchOne(database, sql: "SELECT value FROM setting WHERE name = ?", arguments: [name])
        }
    }

    /// What they were before, the API key among them, is not left in the file.
    package func setSettings(_ values: [String: String]) throws(StateStoreError) {
        try write { try StateStore.set(values, in: $0) }
        scrub()
    }

    static func set(_ values: [String: String], in database: Database) throws {
        for (name, value) in values {
            try database.execute(
                sql: """
                    INSERT INTO setting (name, value) VALUES (?, ?)
                    ON CONFLICT (name) DO UPDATE SET value = excluded.value
                    """,
                arguments: [name, value]
            )
        }
    }
}
