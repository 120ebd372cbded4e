import Config
import FoundationEssentials
import GRDB
import TestSupport
import Tunnel

@testable import Reconciler

/// Everything that a store holds and acknowledges, as a value that two stores can be compared by.
struct StoredContents: Hashable {
    var records: [InstanceID: InstanceRecord] = [:]
    var settings: [String: String] = [:]
    var events: [EventLog: [RecordedEvent]] = [.instances: [], .reconciler: []]

    init() {}

    /// Reads all of it; throws where the file is not sound.
    init(of store: StateStore) throws {
        let stored = try store.instances()
        records = Dictionary(uniqueKeysWithValues: stored.records.map { ($0.id, $0) })
        let unusable = stored.unusable
        (settings, events) = try store.database.read { database in
            let verdict = try String.fetchAll(database, sql: "PRAGMA integrity_check")
            let strays = try Row.fetchAll(database, sql: "PRAGMA foreign_key_check").count
            guard verdict == ["ok"], strays == 0, unusable.isEmpty else {
                throw Damage(description: "\(verdict), \(strays) rows without an owner, unusable: \(unusable)")
            }
            let rows = try Row.fetchAll(database, sql: "SELECT name, value FROM setting")
            var events: [EventLog: [RecordedEvent]] = [:]
            for log in EventLog.allCases {
                let rows = try Row.fetchAll(database, sql: "SELECT * FROM \(log.table) ORDER BY id")
                events[log] = rows.compactMap { StateStore.event($0, in: log) }
            }
            return (Dictionary(uniqueKeysWithValues: rows.map { ($0["name"], $0["value"]) }), events)
        }
    }

    struct Damage: Error, CustomStringConvertible {
        let description: String
    }

    /// What is different in `other`, in a line.
    func differences(from other: StoredContents) -> String {
        var parts: [String] = []
        for id in Set(records.keys).union(other.records.keys).sorted() where records[id] != other.records[id] {
            parts.append("instance \(id)")
        }
        for name in Set(settings.keys).union(other.settings.keys).sorted() where settings[name] != other.settings[name]
        {
            parts.append("setting \(name)")
        }
        for log in EventLog.allCases where events[log, default: []] != other.events[log, default: []] {
            let ends = [self, other].map { $0.events[log]?.last?.id ?? 0 }
            parts.append("events of \(log), up to \(ends[0]) and \(ends[1])")
        }
        return parts.joined(separator: ", ")
    }
}

/// One thing that is asked of a store and acknowledged when it returns.
enum StoreMutation {
    case save([InstanceRecord], removing: [InstanceID], events: [RecordedEvent])
    case settings([String: String])
    case traffic([InstanceID: Traffic])
    case importing(StateImport)

    func perform(on store: StateStore) throws {
        switch self {
        case .save(let records, let removed, let events):
            try store.save(records, removing: removed, events: events)
        case .settings(let values): try store.setSettings(values)
        case .traffic(let totals): try store.saveTraffic(totals)
        case .importing(let imported): try store.save(imported)
        }
    }

    /// What a store holds afterwards that held `contents`.
    func applied(to contents: StoredContents) -> StoredContents {
        var contents = contents
        switch self {
        case .save(let records, let removed, let drafts):
            for id in removed { contents.records[id] = nil }
            for record in records { contents.records[record.id] = record }
            for draft in drafts {
                let last = contents.events[draft.kind.log]?.last?.id ?? 0
                var event = draft
                event.id = last + 1
                contents.events[draft.kind.log, default: []].append(event)
            }
        case .settings(let values): contents.settings.merge(values) { _, new in new }
        case .traffic(let totals):
            for (id, total) in totals { contents.records[id]?.traffic = total }
        case .importing(let imported):
            for record in imported.records { contents.records[record.id] = record }
            let settings = imported.identity.map(DaemonIdentity.settings) ?? [:]
            contents.settings.merge(settings) { _, new in new }
        }
        return contents
    }
}

extension StoreMutation {
    /// Something that a daemon might store next; texts of any length, so that pages split and fill.
    static func random(
        on contents: StoredContents,
        using generator: inout some RandomNumberGenerator
    ) throws -> StoreMutation {
        let known = contents.records.keys.sorted()
        switch Int.random(in: 0..<10, using: &generator) {
        case 0: return .settings(["api_key": text(32...32, using: &generator)])
        case 1: return .settings(["api_certificate": text(1...3000, using: &generator), "master_alias": "é"])
        case 2 where !known.isEmpty:
            let totals = known.map { ($0, Traffic(tcpRx: .random(in: 0 ... .max, using: &generator))) }
            return .traffic(Dictionary(uniqueKeysWithValues: totals))
        case 3:
            var row = ImportedState.Row(id: id(using: &generator))
            row.url = clientURL(9100)
            var key = ImportedState.Row(id: "********")
            key.url = text(32...32, digits: "0123456789abcdef", using: &generator)
            let state = ImportedState(instances: contents.records[row.id] == nil ? [row] : [], key: key)
            return .importing(try StateImport(state, into: StoredInstances(), now: epoch))
        case 4:
            return .save([], removing: [], events: try events(50...100, of: known, using: &generator))
        default:
            let removed = known.filter { _ in Int.random(in: 0..<12, using: &generator) == 0 }
            var records: [InstanceRecord] = []
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let id = Bool.random(using: &generator) ? known.randomElement(using: &generator) : nil
                let isNew = id.map { id in removed.contains(id) || records.contains { $0.id == id } } ?? true
                records.append(try record(isNew ? self.id(using: &generator) : id ?? "", contents, using: &generator))
            }
            let drafts = try events(0...4, of: known + records.map(\.id), using: &generator)
            return .save(records, removing: removed, events: drafts)
        }
    }

    private static func record(
        _ id: InstanceID,
        _ contents: StoredContents,
        using generator: inout some RandomNumberGenerator
    ) throws -> InstanceRecord {
        let port = Int.random(in: 1024...65_000, using: &generator)
        var record = try contents.records[id] ?? apiRecord(id, url: clientURL(port))
        record.labels.alias = text(0...200, using: &generator)
        record.generation += 1
        record.override = nil
        record.overrideSpec = nil
        guard Bool.random(using: &generator) else { return record }
        var override = Override(since: epoch, until: nil, by: "socket", revision: record.revision)
        override.running = Bool.random(using: &generator)
        if Bool.random(using: &generator) {
            override.url = clientURL(port)
            record.overrideSpec = Shared(wrappedValue: try spec(clientURL(port)))
        }
        record.override = override
        return record
    }

    private static func events(
        _ counts: ClosedRange<Int>,
        of ids: [InstanceID],
        using generator: inout some RandomNumberGenerator
    ) throws -> [RecordedEvent] {
        try (0..<Int.random(in: counts, using: &generator)).map { _ in
            let alias = text(20...200, using: &generator)
            guard Bool.random(using: &generator), let id = ids.randomElement(using: &generator) else {
                let notice = ReconcileNotice.reject(count: 1, first: [])
                return RecordedEvent(time: epoch, .notice(notice))
            }
            return try event(.update, id, alias: alias)
        }
    }

    private static func id(using generator: inout some RandomNumberGenerator) -> InstanceID {
        text(8...8, digits: "0123456789abcdef", using: &generator)
    }

    private static func text(
        _ lengths: ClosedRange<Int>,
        digits: String = "abcdefghijklmnopqrstuvwxyz",
        using generator: inout some RandomNumberGenerator
    ) -> String {
        let digits = Array(digits)
        let length = Int.random(in: lengths, using: &generator)
        // A piece of chance again and again: what is long need not be all different.
        let piece = String((0..<min(length, 32)).compactMap { _ in digits.randomElement(using: &generator) })
        return String(String(repeating: piece, count: length / 32 + 1).prefix(length))
    }
}
