import API
import Config

/// Single words and times of an instance's JSON, as commands print them.
enum InstanceText {
    static func id(_ row: JSONValue) -> String { row["id"]?.stringValue ?? "" }

    /// Its name, else its alias, else its id.
    static func name(_ row: JSONValue) -> String {
        ["name", "alias", "id"].compactMap { row[$0]?.stringValue }.first { !$0.isEmpty } ?? ""
    }

    /// `backoff (PortInUse)`.
    static func phase(_ row: JSONValue) -> String {
        let reason = row["reason"]?.stringValue ?? ""
        return (row["phase"]?.stringValue ?? "") + (reason.isEmpty ? "" : " (\(reason))")
    }

    /// `, overrides the manifest until released`; empty without an override.
    static func overridden(_ row: JSONValue) -> String {
        guard let override = row["override"], case .object = override else { return "" }
        return ", overrides the manifest "
            + (override["until"]?.stringValue.map { "until \(time($0))" } ?? "until released")
    }

    /// The API's times without their fraction of a second.
    static func time(_ text: String) -> String {
        text.contains(".") ? text.prefix { $0 != "." } + "Z" : text
    }
}
