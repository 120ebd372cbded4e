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

    func run() async throws {
        let client = try connection.client
        let window = GoDuration.text(try DurationText.positive(since, "--since"))
        var events: [JSONValue] = []
        for name in names.isEmpty ? [nil] : names.map(Optional.some) {
            var query = [QueryParameter(name: "since", value: window), QueryParameter(name: "tail", value: "\(tail)")]
            if let name { query.append(QueryParameter(name: "tunnel", value: name)) }
            let path = "/reconcile/log?" + QueryString(query).sortedText
            events += try await client.get(path, as: NoticeLogView.self).events
        }
        if names.count > 1 {
            events.sort { WireObject<NoticeView>($0).time < WireObject<NoticeView>($1).time }
        }
        let sentences = EventSentence(time: LocalTime(isUTC: utc), showsSteps: why)
        for event in events {
            if json {
                guard Output.line(event.compactText) else { return }
            } else {
                for line in sentences.lines(event) { guard Output.line(PlainText.line(line)) else { return } }
            }
        }
        if events.isEmpty, !json { Output.error("No events in the last \(window).") }
    }
}
