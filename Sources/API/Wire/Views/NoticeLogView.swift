package import Config
package import Reconciler

/// What the reconciler reported lately, as one answer.
package struct NoticeLogView: WireView {
    package typealias Source = [RecordedEvent]

    package static let name = "NoticeLog"
    package static let summary = "What the reconciler did lately, and why"
    package static let table = WireTable(NoticeLogView())

    package let events = Field("events", .notices) { $0 }

    package init() {}
}

extension WireType where Written == [RecordedEvent], Read == [JSONValue] {
    /// The same objects as in the stream of these events.
    fileprivate static var notices: WireType {
        let kinds = [
            NoticeView.Planned.name, NoticeView.Applied.name, NoticeView.Rejected.name, NoticeView.Overridden.name,
            NoticeView.Released.name, NoticeView.Requested.name, NoticeView.ProblemChange.name,
            NoticeView.Drift.name,
        ]
        return WireType(
            schema: [
                "type": "array", "description": "Oldest first, as the stream of these events sends them",
                "items": ["oneOf": .array(kinds.map(Schema.reference))],
            ],
            write: { events in .array(events.compactMap(NoticeView.object)) },
            read: { $0?.items ?? [] }
        )
    }
}
