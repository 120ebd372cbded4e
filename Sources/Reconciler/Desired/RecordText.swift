import Config
import FoundationEssentials

/// The small values of a record as text: in one column each of the store, and in fingerprints.
enum RecordText {
    static func json(_ value: some Encodable) -> String {
        // The stored types are made of texts and finite numbers: encoding them cannot fail.
        (try? JSONEncoder().encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }

    /// Nil for a column without a value, or with one that only another version can read.
    static func value<Value: Decodable>(_ type: Value.Type, _ text: String?) -> Value? {
        text.flatMap { try? JSONDecoder().decode(type, from: Data($0.utf8)) }
    }

    static func json(_ tags: [String: String]) -> String {
        let members = tags.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, .string($0.value)) }
        return JSONValue.object(members).compactText
    }

    static func json(_ peer: PeerLabel) -> String {
        let members: JSONValue = .object([
            "sid": .string(peer.sid), "type": .string(peer.type), "alias": .string(peer.alias),
        ])
        return members.compactText
    }

    static func members(_ peer: PeerLabel) -> [String: String] {
        ["sid": peer.sid, "type": peer.type, "alias": peer.alias]
    }

    static func json(_ paths: Set<String>) -> String {
        JSONValue.array(paths.sorted().map(JSONValue.string)).compactText
    }

    static func paths(_ text: String) -> Set<String> {
        (try? JSONDecoder().decode(Set<String>.self, from: Data(text.utf8))) ?? ["key"]
    }

    static func tags(_ text: String) -> [String: String] {
        (try? JSONDecoder().decode([String: String].self, from: Data(text.utf8))) ?? [:]
    }

    static func peer(_ text: String) -> PeerLabel { peer(tags(text)) }

    static func peer(_ members: [String: String]) -> PeerLabel {
        PeerLabel(sid: members["sid"] ?? "", type: members["type"] ?? "", alias: members["alias"] ?? "")
    }

    static func text(_ location: SourceLocation) -> String {
        location.description
    }

    /// Reads `file:line:column`; the file itself may hold colons.
    static func location(_ text: String) -> SourceLocation? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count >= 3, let line = Int(parts[parts.count - 2]), let column = Int(parts[parts.count - 1]) else {
            return nil
        }
        return SourceLocation(file: parts.dropLast(2).joined(separator: ":"), line: line, column: column)
    }
}
