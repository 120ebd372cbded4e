import Config
import FoundationEssentials
import GRDB
import Synchronization
import Tunnel

/// A key that was replaced does not stay readable: not in the events of before, and not in what the file keeps of them.
///
/// Deleted and overwritten text is zeroed in the database (`secure_delete`). Its log still holds the pages of before,
/// until it has been moved into the database and emptied.
extension StateStore {
    /// Columns of the event tables that hold URLs, in full or inside JSON.
    private static let columns = [
        EventLog.instances.table: ["url", "config", "override"], EventLog.reconciler.table: ["override"],
    ]

    /// Masks every key in the events of these instances that they do not have any more; true where there was one.
    static func maskReplacedKeys(of ids: some Sequence<InstanceID>, in database: Database) throws -> Bool {
        var hasMasked = false
        for id in ids {
            let kept = try keys(of: id, in: database)
            for (table, columns) in columns {
                for column in columns where try mask(column, of: id, in: table, except: kept, database) {
                    hasMasked = true
                }
            }
        }
        return hasMasked
    }

    private static func mask(
        _ column: String,
        of id: InstanceID,
        in table: String,
        except kept: Set<String>,
        _ database: Database
    ) throws -> Bool {
        let rows = try Row.fetchCursor(
            database,
            sql: "SELECT id, \(column) AS text FROM \(table) WHERE instance_id = ? AND instr(\(column), '@') > 0",
            arguments: [id]
        )
        var masked: [(id: Int64, text: String)] = []
        while let row = try rows.next() {
            let text: String = row["text"]
            let safe = column == "override" ? EventText.maskingKeys(in: text, except: kept) : safeURL(text, kept)
            if safe != text { masked.append((row["id"], safe)) }
        }
        let update = try database.cachedStatement(sql: "UPDATE \(table) SET \(column) = ? WHERE id = ?")
        for event in masked { try update.execute(arguments: [event.text, event.id]) }
        return !masked.isEmpty
    }

    private static func safeURL(_ url: String, _ kept: Set<String>) -> String {
        guard let key = TunnelURL.keyText(of: url), !kept.contains(String(key)) else { return url }
        return TunnelURL.masked(url)
    }

    /// The keys in the URLs that are stored of an instance: what it was declared or created with, and its override.
    static func keys(of id: InstanceID, in database: Database) throws -> Set<String> {
        let statement = try database.cachedStatement(
            sql: """
                SELECT instance.url, instance.spec_url, override.url FROM instance
                LEFT JOIN override ON override.instance_id = instance.id WHERE instance.id = ?
                """
        )
        guard let row = try Row.fetchOne(statement, arguments: [id]) else { return [] }
        return Set(row.databaseValues.compactMap { String.fromDatabaseValue($0).flatMap(StateStore.key) })
    }

    private static func key(of url: String) -> String? { TunnelURL.keyText(of: url).map(String.init) }

    /// Empties the log; while another process reads it that is left for the next call.
    func scrub() {
        owesScrub.store(true, ordering: .relaxed)
        scrubIfOwed()
    }

    func scrubIfOwed() {
        guard owesScrub.load(ordering: .relaxed) else { return }
        let isDone = try? database.writeWithoutTransaction { database in
            // Nobody waits for a reader: this is not what was asked of the daemon.
            try database.execute(sql: "PRAGMA busy_timeout = 0")
            defer { try? database.execute(sql: "PRAGMA busy_timeout = \(Int(StateStore.busyTimeoutSeconds * 1000))") }
            return try Bool.fetchOne(database, sql: "PRAGMA wal_checkpoint(TRUNCATE)") == false
        }
        if isDone == true { owesScrub.store(false, ordering: .relaxed) }
    }
}

/// The JSON text of an override in an event, as far as the store looks into it.
enum EventText {
    /// The members that hold a URL.
    ///
    /// In compact JSON no text can hold such a beginning: its quotes are escaped.
    private static let members = [#""url":""#].map { Array($0.utf8) }

    /// The payload with the keys in its URLs masked, but for those in `kept`.
    static func maskingKeys(in payload: String, except kept: Set<String>) -> String {
        let bytes = Array(payload.utf8)
        var masked: [UInt8] = []
        var copied = 0
        var place = 0
        while place < bytes.count {
            let isQuote = bytes[place] == UInt8(ascii: "\"")
            guard isQuote, let member = members.first(where: { bytes[place...].starts(with: $0) }) else {
                place += 1
                continue
            }
            let start = place + member.count
            let end = endOfText(in: bytes, from: start)
            let text = String(decoding: bytes[start..<end], as: UTF8.self)
            let url = unescaped(text)
            if let key = TunnelURL.keyText(of: url), !kept.contains(String(key)) {
                masked += bytes[copied..<start]
                masked += escaped(TunnelURL.masked(url)).utf8
                copied = end
            }
            place = end
        }
        guard copied > 0 else { return payload }
        return String(decoding: masked + bytes[copied...], as: UTF8.self)
    }

    /// Where the JSON text that begins at `start` ends: its quote, or the end of everything.
    private static func endOfText(in bytes: [UInt8], from start: Int) -> Int {
        var place = start
        while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
            place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1
        }
        return min(place, bytes.count)
    }

    /// The text that the JSON means; text that is cut off is taken as it is, so that its key is masked all the same.
    private static func unescaped(_ text: String) -> String {
        guard text.contains("\\") else { return text }
        return (try? JSONDecoder().decode(String.self, from: Data("\"\(text)\"".utf8))) ?? text
    }

    private static func escaped(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        guard let data = try? encoder.encode(text) else { return Secret.mask }
        return String(decoding: data.dropFirst().dropLast(), as: UTF8.self)
    }
}
