import API
import Config

/// Single words and times of an instance, as commands print them.
enum InstanceText {
    /// Its name, else its alias, else its id.
    static func name(_ row: InstanceRow) -> String {
        [row.name ?? "", row.alias, row.id].first { !$0.isEmpty } ?? ""
    }

    /// Columns of a name in a table.
    private static let nameColumns = 40

    /// Its beginning where it is longer than a column should be.
    static func short(_ text: String) -> String { DisplayWidth.shortened(PlainText.line(text), to: nameColumns) }

    /// `backoff (PortInUse)`.
    static func phase(_ row: InstanceRow) -> String {
        row.phase + (row.reason.isEmpty ? "" : " (\(row.reason))")
    }

    /// `. Overrides the manifest until …`; empty where it runs or is stopped as declared.
    static func overridden(_ row: InstanceRow) -> String {
        guard let override = row.override, override.state != nil else { return "" }
        let end = override.until.map { "until \(time($0))" } ?? "until you run `nodepass release \(name(row))`"
        return ". Overrides the manifest \(end)."
    }

    /// A declared tunnel that a request has deleted, and how it comes back.
    static func hidden(_ tunnel: WireObject<PlanView.Overridden>) -> String {
        let end = tunnel.until.map { ", until \(time($0))" } ?? ""
        return
            "'\(tunnel.name)' was deleted at \(time(tunnel.since)) by \(author(tunnel.by, note: tunnel.note))\(end); "
            + "still declared at \(tunnel.source ?? "the manifest"), `nodepass release \(tunnel.name)` brings it back"
    }

    /// `root (local CLI): INC-42`.
    static func author(_ by: String, note: String?) -> String { by + (note.map { ": " + $0 } ?? "") }

    /// The API's times as people read them: `2026-11-24 16:05:56 UTC`.
    static func time(_ text: String) -> String { LocalTime(isUTC: true).text(text) }
}
