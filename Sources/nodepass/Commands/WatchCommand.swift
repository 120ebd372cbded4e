import API
import ArgumentParser
import Config
import Reconciler

/// `nodepass watch`: the phases of all tunnels, as they change.
struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Print each change of a tunnel's phase; --why prints the reconciler's events instead.",
        discussion: "Ends when the daemon stops. Traffic figures are not printed: `nodepass get` shows them."
    )

    @Flag(help: "Print plans, rejections, overrides, releases and drift instead of phases.")
    var why = false

    @Flag(help: "Print each event as one line of JSON.")
    var json = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let path = why ? "/reconcile/events" : "/events"
        var seen: [String: String] = [:]
        for try await event in try await connection.client.stream(path) {
            guard let data = try? JSONParser.parse(Array(event.data.utf8)) else { continue }
            if json {
                guard Output.line(data.compactText) else { return }
            } else if let line = why ? Self.reason(data) : Self.step(WireObject(data), &seen) {
                guard Output.line(PlainText.line(line)) else { return }
            }
        }
    }

    /// Nil when the phase did not change, and for log lines, which `logs` shows.
    private static func step(_ event: WireObject<EventView>, _ seen: inout [String: String]) -> String? {
        guard let row = event.instance, event.type != "log", !row.isKey else { return nil }
        let isEnd = event.type == "delete"
        let state = isEnd ? "deleted" : InstanceText.phase(row) + InstanceText.overridden(row)
        guard seen.updateValue(state, forKey: row.id) != state else { return nil }
        return "\(InstanceText.time(event.time))  \(InstanceText.name(row))  \(state)"
    }

    private static func reason(_ data: JSONValue) -> String? {
        let notice = WireObject<NoticeView>(data)
        let details = details(notice)
        guard !details.isEmpty else { return nil }
        let words = [InstanceText.time(notice.time), notice.type, notice.tunnel ?? ""] + details
        return words.filter { !$0.isEmpty }.joined(separator: "  ")
    }

    /// `stopped, alias cache, until 2026-11-24T16:05:56Z, by socket`.
    private static func overridden(_ override: WireObject<OverrideView>) -> String {
        var words = [override.deleted == true ? "deleted" : override.state ?? ""]
        if let url = override.command { words.append("url \(url)") }
        if let alias = override.alias { words.append("alias \(alias)") }
        if override.tags != nil { words.append("tags") }
        if override.peer != nil { words.append("peer") }
        if let restart = override.restart { words.append("restart \(restart)") }
        words.append(override.until.map { "until \(InstanceText.time($0))" } ?? "until released")
        return (words.filter { !$0.isEmpty } + ["by \(InstanceText.author(override.by, note: override.note))"]).joined(
            separator: ", "
        )
    }

    /// What is particular to the type of a notice.
    private static func details(_ notice: WireObject<NoticeView>) -> [String] {
        switch notice.type {
        case "plan": return [PlanText.summary(WireObject<NoticeView.Planned>(notice.json).counts)]
        case "apply": return [PlanText.summary(WireObject<NoticeView.Applied>(notice.json).counts)]
        case "reject": return WireObject<NoticeView.Rejected>(notice.json).diagnostics.map(DiagnosticText.line)
        case "override": return [overridden(WireObject<NoticeView.Overridden>(notice.json).override)]
        case "release":
            let release = WireObject<NoticeView.Released>(notice.json)
            guard release.cause == ReconcileNotice.ReleaseCause.request.rawValue else { return [release.cause] }
            return ["by \(InstanceText.author(release.by, note: release.note))"]
        case "request":
            let request = WireObject<NoticeView.Requested>(notice.json)
            return ["\(request.change) by \(InstanceText.author(request.by, note: request.note))"]
        case "problem":
            let problem = WireObject<NoticeView.Troubled>(notice.json)
            return [problem.resolved ? "over" : "", problem.kind, problem.message]
        case "drift":
            let drift = WireObject<NoticeView.Drift>(notice.json)
            return [drift.phase, drift.reason, drift.message]
        default: return []
        }
    }
}
