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

    @Option(help: "How many of the newest events to begin with; with --why.")
    var tail: Int?

    @Flag(help: "Show times in UTC instead of this machine's zone; with --why.")
    var utc = false

    @Flag(help: "Print each event as one line of JSON.")
    var json = false

    @Flag(help: "With --json, show keys and values from references.")
    var showSecrets = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        try CountLimit.check(tail, 0...APILimits.noticeTail, "--tail")
        if tail != nil, !why { throw ValidationError("--tail goes with --why; `nodepass logs` has a tunnel's past") }
    }

    func run() async throws {
        let path = why ? "/reconcile/events?tail=\(tail ?? 0)" : "/events"
        let sentences = EventSentence(time: LocalTime(isUTC: utc), showsSteps: true)
        var seen: [String: String] = [:]
        let client = try connection.client
        let stream = try await client.stream(path)
        var mask = json && !showSecrets && !why ? try await EventMask(client) : nil
        for try await event in stream {
            guard let data = try? JSONParser.parse(Array(event.data.utf8)) else { continue }
            if json {
                guard Output.line(try await mask?.masked(data).compactText ?? data.compactText) else { return }
            } else {
                let lines = why ? sentences.lines(data) : [Self.step(WireObject(data), &seen)].compactMap(\.self)
                for line in lines { guard Output.line(PlainText.line(line)) else { return } }
            }
        }
    }

    /// Nil when the phase did not change, and for log lines, which `logs` shows.
    static func step(_ event: WireObject<EventView>, _ seen: inout [String: String]) -> String? {
        guard let row = event.instance, event.type != "log", !row.isKey else { return nil }
        let isEnd = event.type == "delete"
        let state = isEnd ? "deleted" : InstanceText.phase(row) + InstanceText.overridden(row)
        guard seen.updateValue(state, forKey: row.id) != state else { return nil }
        return "\(InstanceText.time(event.time))  \(InstanceText.name(row))  \(state)"
    }
}
