import Config
import FoundationEssentials
import Reconciler
import Tunnel

/// What the answer to a GET of one instance adds, for `describe` and the dashboard.
enum StoryView {
    static func members(_ details: InstanceDetails) -> [JSONValue.Member] {
        let instance = details.instance
        var events = details.events
        // Each log is in the order of its ids, which is that of what happened; only between them time decides.
        for notice in details.notices {
            let place = events.firstIndex { $0.time > notice.time } ?? events.endIndex
            events.insert(notice, at: place)
        }
        return [
            JSONValue.Member("shown", .string(instance.spec.displayURL(hiding: instance.secretPaths))),
            JSONValue.Member("fields", .array(details.fields.map(InstanceView.field))),
            JSONValue.Member("events", .array(events.map(event))),
        ]
    }

    /// An event in short: its whole form may hold what must not be shown.
    private static func event(_ event: RecordedEvent) -> JSONValue {
        let head = [
            JSONValue.Member("id", event.id.map(JSONValue.int) ?? .null),
            JSONValue.Member("time", .string(RFC3339.text(event.time))),
            JSONValue.Member("type", .string(event.kind.rawValue)),
        ]
        return .object(head + words(event.content, at: event.time).map { JSONValue.Member($0.key, .string($0.value)) })
    }

    private static func words(
        _ content: RecordedEvent.Content,
        at time: Date
    ) -> KeyValuePairs<String, String> {
        switch content {
        case .instance(_, let instance):
            return [
                "phase": instance.phase.rawValue, "reason": instance.status.reason?.rawValue ?? "",
                "message": InstanceView.message(instance, now: time),
            ]
        case .notice(.drift(_, let phase, let reason, let message, _)):
            return ["phase": phase.rawValue, "reason": reason?.rawValue ?? "", "message": message]
        case .notice(.release(_, let cause, let author)):
            return ["cause": cause.rawValue, "by": author]
        case .notice, .logLine, .shutdown:
            return [:]
        }
    }
}
