extension StateStore {
    /// Stores everything an import brings in one transaction.
    package func save(_ imported: StateImport) throws(StateStoreError) {
        let settings = imported.identity.map(DaemonIdentity.settings) ?? [:]
        try write { database in
            for record in imported.records { try StateStore.upsert(record, into: database) }
            try StateStore.set(settings, in: database)
        }
        // The key that was made here before is not left in the file.
        if !settings.isEmpty { scrub() }
    }
}
