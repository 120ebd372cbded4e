import API
import ArgumentParser
import Config

/// `nodepass events`: what happened lately, in sentences.
struct EventsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events",
        abstract: "Show what happened lately: overrides and who made them, failures, rejected manifests, changes.",
        discussion: "Oldest first. `nodepass watch --why` prints them as they come."
    )

    @Argument(
        help: "Names or ids of tunnels; without any, all, and what is not about one tunnel.",
        completion: .shellCommand("nodepass get -o name 2>/dev/null")
    )
    var names: [String] = []

    @Option(help: "How far back, such as 8h or 3d.")
    var since = "24h"

    @Option(help: "How many of the newest events.")
    var tail = 200

    @Flag(help: "Show what each pass did to which tunnel, too.")
    var why = false

    @Flag(help: "Print each event as one line of JSON.")
    var json = false

    @Flag(help: "Show times in UTC instead of this machine's zone.")
    var utc = false

    @OptionGroup var connection: ConnectionOptions

    func validate() throws { try CountLimit.check(tail, 1...APILimits.noticeTail, "--tail") }

    func run() async throws {
        let client = try connection.client
        let window = GoDuration.text(try DurationText.positive(since, "--since"))
        let (events, missing) = try await events(within: window, client)
        let sentences = EventSentence(time: LocalTime(isUTC: utc), showsSteps: why)
        for event in events {
            if json {
                guard Output.line(event.compactText) else { return }
            } else {
                for line in sentences.lines(event) { guard Output.line(PlainText.line(line)) else { return } }
            }
        }
        for failure in missing { Output.error("Error: " + failure.printableMessage) }
        if !missing.isEmpty { throw ExitCode(1) }
        if events.isEmpty, !json { Output.error("No events in the last \(Self.short(window)).") }
    }

    /// `24h`, not `24h0m0s`.
    private static func short(_ window: String) -> String {
        var text = window[...]
        for rest in ["m0s", "h0m"] where text.hasSuffix(rest) { text = text.dropLast(2) }
        return String(text)
    }

    /// In the order of time; of the names, those that no tunnel and no event has.
    private func events(
        within window: String,
        _ client: ControlClient
    ) async throws -> (events: [JSONValue], missing: [CommandFailure]) {
        guard !names.isEmpty else { return (try await events(about: nil, within: window, client), []) }
        let rows = try await client.instances()
        let hidden = try await client.status().hidden
        var events: [JSONValue] = []
        var missing: [CommandFailure] = []
        for name in names {
            let ids = try TunnelSelection.matching(name, in: rows).map(\.id)
            let deleted = hidden.filter { TunnelSelection.names(name, $0) }.map(\.id)
            let known = Set(ids + deleted)
            // A tunnel that is gone is known by its events alone.
            var found: [JSONValue] = []
            for subject in known.isEmpty ? [name] : known.sorted() {
                found += try await self.events(about: subject, within: window, client)
            }
            if known.isEmpty, found.isEmpty {
                missing.append(TunnelSelection.unknown(name, among: rows, hidden: hidden))
            }
            events += found
        }
        events.sort { WireObject<NoticeView>($0).time < WireObject<NoticeView>($1).time }
        return (events, missing)
    }

    private func events(
        about tunnel: String?,
        within window: String,
        _ client: ControlClient
    ) async throws -> [JSONValue] {
        var query = [QueryParameter(name: "since", value: window), QueryParameter(name: "tail", value: "\(tail)")]
        if let tunnel { query.append(QueryParameter(name: "tunnel", value: tunnel)) }
        return try await client.get("/reconcile/log?" + QueryString(query).sortedText, as: NoticeLogView.self).events
    }
}
