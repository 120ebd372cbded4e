import Config
import FoundationEssentials

/// The small values that stand in one column each, as text a person can read.
enum StoredText {
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

    static func json(_ paths: Set<String>) -> String {
        JSONValue.array(paths.sorted().map(JSONValue.string)).compactText
    }

    static func paths(_ text: String) -> Set<String> {
        (try? JSONDecoder().decode(Set<String>.self, from: Data(text.utf8))) ?? ["key"]
    }

    static func tags(_ text: String) -> [String: String] {
        (try? JSONDecoder().decode([String: String].self, from: Data(text.utf8))) ?? [:]
    }

    static func peer(_ text: String) -> PeerLabel {
        let members = tags(text)
        return PeerLabel(sid: members["sid"] ?? "", type: members["type"] ?? "", alias: members["alias"] ?? "")
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
