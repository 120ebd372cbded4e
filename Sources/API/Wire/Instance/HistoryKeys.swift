import Config
package import Reconciler

/// What a GET of one tunnel adds, for `describe` and the dashboard.
package struct HistoryKeys: WireView {
    package typealias Source = InstanceStory

    package static let name = "InstanceHistory"
    package static let summary = "What a GET of one tunnel adds"
    package static let table = WireTable(HistoryKeys())

    package let shown = Field("shown", .text("Its URL without secrets")) { story in
        story.instance.spec.displayURL(hiding: story.instance.secretPaths)
    }
    package let fields = Field("fields", .list(.object(FieldView.self), "Its keys that are not at their default")) {
        $0.fields.map { FieldView.Source(field: $0.field, source: $0.source) }
    }
    package let events = Field(
        "events",
        .list(.object(LastEvent.self), "Its last events, oldest first")
    ) { HistoryKeys.events(of: $0) }

    package init() {}

    private static func events(of story: InstanceStory) -> [LastEvent.Source] {
        var events = story.events.compactMap(LastEvent.Source.init)
        // Each log is in the order of its ids, which is the order of events; times only decide
        // between the two logs.
        for notice in story.notices.compactMap(LastEvent.Source.init) {
            let place = events.firstIndex { $0.time > notice.time } ?? events.endIndex
            events.insert(notice, at: place)
        }
        return events
    }

    /// The parts of a stored event that may be shown; its whole text may hold a secret.
    package struct LastEvent: WireView {
        package struct Source: Sendable {
            let event: StreamEvent
            let time: String
            /// The instance of an event, or a notice.
            let subject: JSONValue

            init?(_ event: StreamEvent) {
                guard let payload = try? JSONParser.parse(Array(event.payload.utf8)) else { return nil }
                self.event = event
                time = payload["time"]?.stringValue ?? ""
                subject = payload["instance"] ?? payload
            }

            func word(_ name: String) -> String? { subject[name]?.stringValue }
        }

        package static let name = "LastEvent"
        package static let summary = "An event of an instance; the id is that of its stream"
        package static let table = WireTable(LastEvent())

        package let id = Field("id", .count("Its number")) { $0.event.id ?? 0 }
        package let time = Field("time", .timeText("When")) { $0.time }
        package let type = Field(
            "type",
            .words(["create", "update", "delete", "override", "release", "drift"], "What happened")
        ) { $0.event.kind.rawValue }
        package let phase = Field(optional: "phase", .phase) { $0.word("phase") }
        package let reason = Field(optional: "reason", .reason) { $0.word("reason") }
        package let message = Field(optional: "message", .text("In a sentence")) { $0.word("message") }
        package let cause = Field(
            optional: "cause",
            .words(ReconcileNotice.ReleaseCause.allCases.map(\.rawValue), "Why it was released")
        ) { $0.word("cause") }
        package let by = Field(optional: "by", .text("Who released it")) { $0.word("by") }

        package init() {}
    }
}
