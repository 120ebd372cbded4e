import Config
import Synchronization

/// Who this daemon is to its clients: the API key, the master's id and its alias.
///
/// Made once, on the first start; a change is on disk before it takes effect.
package final class DaemonIdentity: Sendable {
    private struct Values {
        var apiKey: String
        var masterAlias: String
    }

    private enum Name {
        static let apiKey = "api_key"
        static let masterID = "master_id"
        static let masterAlias = "master_alias"
    }

    /// 16 lower-hex digits, present from the first start on.
    package let masterID: String
    /// True when this start made the key: the one time it is shown.
    package let wasKeyCreated: Bool
    /// The keys beside the one that NodePass's clients know.
    package let keys: APIKeyring
    private let store: StateStore
    /// Held while a change goes to the disk: one after the other.
    private let changes = Mutex(())
    /// Never held for long: each request asks for the key.
    private let values: Mutex<Values>
    private let keyListener = Mutex<(@Sendable (String) -> Void)?>(nil)

    package init(store: StateStore) throws(StateStoreError) {
        let knownKey = try store.setting(Name.apiKey)
        let knownID = try store.setting(Name.masterID)
        let apiKey = knownKey ?? DaemonIdentity.randomHex(bytes: 16)
        masterID = knownID ?? DaemonIdentity.randomHex(bytes: 8)
        wasKeyCreated = knownKey == nil
        self.store = store
        keys = try APIKeyring(store: store)
        values = Mutex(Values(apiKey: apiKey, masterAlias: try store.setting(Name.masterAlias) ?? ""))
        if knownKey == nil || knownID == nil {
            try store.setSettings([Name.apiKey: apiKey, Name.masterID: masterID])
        }
    }

    /// 32 lower-hex digits.
    package var apiKey: String { values.withLock { $0.apiKey } }
    package var masterAlias: String { values.withLock { $0.masterAlias } }

    /// Replaces the key; the old one is worthless when this returns.
    @discardableResult
    package func rotateKey() throws(StateStoreError) -> String {
        let key = DaemonIdentity.randomHex(bytes: 16)
        return try changes.withLock { (_) throws(StateStoreError) in
            try store.setSettings([Name.apiKey: key])
            values.withLock { $0.apiKey = key }
            keyListener.withLock { $0 }?(key)
            return key
        }
    }

    /// Calls back with each new key, before anybody else has it.
    package func onKeyChange(_ listener: @escaping @Sendable (String) -> Void) {
        keyListener.withLock { $0 = listener }
    }

    package func setMasterAlias(_ alias: String) throws(StateStoreError) {
        try changes.withLock { (_) throws(StateStoreError) in
            try store.setSettings([Name.masterAlias: alias])
            values.withLock { $0.masterAlias = alias }
        }
    }

    /// What the store holds of a daemon that takes over another master's identity.
    static func settings(_ imported: ImportedIdentity) -> [String: String] {
        var settings = [Name.apiKey: imported.apiKey]
        if let id = imported.masterID { settings[Name.masterID] = id }
        if !imported.masterAlias.isEmpty { settings[Name.masterAlias] = imported.masterAlias }
        return settings
    }

    /// From the system's cryptographic generator.
    private static func randomHex(bytes count: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return Hex.text((0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }
}
