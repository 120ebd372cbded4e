import API
import ArgumentParser
import Config

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
                guard Output.line(event.data) else { return }
            } else if let line = why ? Self.reason(data) : Self.step(data, &seen) {
                guard Output.line(line) else { return }
            }
        }
    }

    /// Nil when the phase did not change, and for log lines, which `logs` shows.
    private static func step(_ event: JSONValue, _ seen: inout [String: String]) -> String? {
        guard let row = event["instance"], case .object = row, word(event, "type") != "log" else { return nil }
        let id = InstanceText.id(row)
        guard word(row, "type") != "" else { return nil }
        let isEnd = word(event, "type") == "delete"
        let state = isEnd ? "deleted" : InstanceText.phase(row) + InstanceText.overridden(row)
        guard seen.updateValue(state, forKey: id) != state else { return nil }
        return "\(InstanceText.time(word(event, "time")))  \(InstanceText.name(row))  \(state)"
    }

    private static func reason(_ event: JSONValue) -> String? {
        let details: [String] =
            switch word(event, "type") {
            case "plan", "apply": [PlanText.summary(event["summary"] ?? .null)]
            case "reject": (event["diagnostics"]?.items ?? []).map(DiagnosticText.line)
            case "override": [event["override"]?.compactText ?? ""]
            case "release": [word(event, "cause"), word(event, "by")]
            case "drift": [word(event, "phase"), word(event, "reason"), word(event, "message")]
            default: []
            }
        guard !details.isEmpty else { return nil }
        let words = [InstanceText.time(word(event, "time")), word(event, "type"), word(event, "tunnel")] + details
        return words.filter { !$0.isEmpty }.joined(separator: "  ")
    }

    private static func word(_ value: JSONValue, _ name: String) -> String { value[name]?.stringValue ?? "" }
}
