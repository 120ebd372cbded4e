import Config
import Crypto
package import FoundationEssentials
import Synchronization

/// What the holder of an API key may do; each role may do what those before it may.
package enum APIRole: String, Sendable, Hashable, CaseIterable, Comparable {
    /// Reads figures for monitoring.
    case metrics
    /// Reads everything but secrets.
    case read
    /// Does everything.
    case admin

    package static func < (a: APIRole, b: APIRole) -> Bool { a.rank < b.rank }

    private var rank: Int { APIRole.allCases.firstIndex(of: self) ?? 0 }
}

/// A key of the API beside the one that NodePass's clients know; the key itself is not kept.
package struct APIKeyRecord: Sendable, Hashable {
    package let label: String
    package let role: APIRole
    package let created: Date
    /// Nil for one that lasts until it is revoked.
    package let expires: Date?
    /// SHA-256 in hex: keys are random, so that nobody can find one by trying.
    fileprivate let digest: String

    fileprivate func isValid(at now: Date) -> Bool { expires.map { $0 > now } ?? true }
}

/// Why a key is not made or revoked.
package enum APIKeyProblem: Error, Sendable, Hashable {
    case label
    case taken
    case tooMany
    case unknown
    case storage(StateStoreError)
}

/// The labelled keys of the API: their digests are stored, and a change is on disk before it takes effect.
package final class APIKeyring: Sendable {
    /// More would be a mistake of a script.
    package static let limit = 100
    package static let labelLimit = 64
    /// What a label is, but for `rotated`, which is taken.
    package static let labelPattern = "^[A-Za-z0-9_.-]{1,\(labelLimit)}$"
    /// Of the key that a rotation replaces.
    package static let formerLabel = "rotated"
    private static let setting = "api_keys"

    private let store: StateStore
    private let changes = Mutex(())
    private let records: Mutex<[APIKeyRecord]>

    package init(store: StateStore) throws(StateStoreError) {
        self.store = store
        records = Mutex(Self.read(try store.setting(Self.setting) ?? "[]"))
    }

    /// Those that are valid, in the order they were made.
    package func list(now: Date) -> [APIKeyRecord] {
        records.withLock { $0.filter { $0.isValid(at: now) } }
    }

    /// The record of a key that somebody shows.
    package func find(_ key: String, now: Date) -> APIKeyRecord? {
        let digest = Self.digest(key)
        return records.withLock { $0.first { $0.digest == digest && $0.isValid(at: now) } }
    }

    /// Makes a key, which is returned this once.
    package func create(
        label: String,
        role: APIRole,
        expires: Date?,
        now: Date
    ) throws(APIKeyProblem) -> (key: String, record: APIKeyRecord) {
        guard Self.isLabel(label), label != Self.formerLabel else { throw .label }
        var generator = SystemRandomNumberGenerator()
        let key = Hex.text((0..<20).map { _ in UInt8.random(in: 0...255, using: &generator) })
        let record = APIKeyRecord(label: label, role: role, created: now, expires: expires, digest: Self.digest(key))
        try change(now) { records throws(APIKeyProblem) in
            guard !records.contains(where: { $0.label == label }) else { throw .taken }
            guard records.count < Self.limit else { throw .tooMany }
            records.append(record)
        }
        return (key, record)
    }

    package func revoke(_ label: String, now: Date) throws(APIKeyProblem) {
        try change(now) { records throws(APIKeyProblem) in
            guard let index = records.firstIndex(where: { $0.label == label }) else { throw .unknown }
            records.remove(at: index)
        }
    }

    /// Lets the key that a rotation replaces work on for a while.
    package func keep(former key: String, until end: Date, now: Date) throws(APIKeyProblem) {
        try change(now) { records throws(APIKeyProblem) in
            records.removeAll { $0.label == Self.formerLabel }
            records.append(
                APIKeyRecord(
                    label: Self.formerLabel,
                    role: .admin,
                    created: now,
                    expires: end,
                    digest: Self.digest(key)
                )
            )
        }
    }

    /// Without those that have expired; stored before anyone sees it.
    private func change(
        _ now: Date,
        _ body: (inout [APIKeyRecord]) throws(APIKeyProblem) -> Void
    ) throws(APIKeyProblem) {
        try changes.withLock { (_) throws(APIKeyProblem) in
            var changed = list(now: now)
            try body(&changed)
            do throws(StateStoreError) {
                try store.setSettings([Self.setting: Self.text(changed)])
            } catch {
                throw .storage(error)
            }
            records.withLock { [changed] in $0 = changed }
        }
    }

    /// Letters, digits and `-_.` of ASCII: a label is shown in logs and in events.
    private static func isLabel(_ text: String) -> Bool {
        (1...labelLimit).contains(text.utf8.count)
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
    }

    private static func digest(_ key: String) -> String { Hex.text(Array(SHA256.hash(data: Array(key.utf8)))) }

    // MARK: The stored form

    private static func text(_ records: [APIKeyRecord]) -> String {
        JSONValue.array(
            records.map { record in
                var members: [JSONValue.Member] = [
                    .init("label", .string(record.label)), .init("role", .string(record.role.rawValue)),
                    .init("created", .string(RFC3339.text(record.created))), .init("digest", .string(record.digest)),
                ]
                if let end = record.expires { members.append(.init("expires", .string(RFC3339.text(end)))) }
                return .object(members)
            }
        ).compactText
    }

    /// What cannot be read is no key: it lets nobody in.
    private static func read(_ text: String) -> [APIKeyRecord] {
        let items = (try? JSONParser.parse(Array(text.utf8)))?.items ?? []
        return items.compactMap { item in
            guard let label = item["label"]?.stringValue, let digest = item["digest"]?.stringValue,
                let role = item["role"]?.stringValue.flatMap(APIRole.init),
                let created = item["created"]?.stringValue.flatMap(RFC3339.date)
            else { return nil }
            let end = item["expires"]?.stringValue
            let expires = end.flatMap(RFC3339.date)
            guard end == nil || expires != nil else { return nil }
            return APIKeyRecord(label: label, role: role, created: created, expires: expires, digest: digest)
        }
    }
}
