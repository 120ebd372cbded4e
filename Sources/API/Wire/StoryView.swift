import Config
import Reconciler
import Tunnel

/// What the answer to a GET of one instance adds, for `describe` and the dashboard.
enum StoryView {
    static func members(_ story: InstanceStory) -> [JSONValue.Member] {
        let instance = story.instance
        var events = story.events.compactMap(event)
        // Each log is in the order of its ids, which is that of what happened; only between them time decides.
        for notice in story.notices.compactMap(event) {
            let place = events.firstIndex { $0.time > notice.time } ?? events.endIndex
            events.insert(notice, at: place)
        }
        return [
            JSONValue.Member("shown", .string(instance.spec.displayURL(hiding: instance.secretPaths))),
            JSONValue.Member("fields", .array(story.fields.map(InstanceView.field))),
            JSONValue.Member("events", .array(events.map(\.view))),
        ]
    }

    /// The parts of a stored event that tell a story; its whole text may hold what must not be shown.
    private static func event(_ event: StreamEvent) -> (time: String, view: JSONValue)? {
        guard let payload = try? JSONParser.parse(Array(event.payload.utf8)) else { return nil }
        let time = payload["time"]?.stringValue ?? ""
        let subject = payload["instance"] ?? payload
        let words = ["phase", "reason", "message", "cause", "by"].compactMap { name in
            subject[name].map { JSONValue.Member(name, $0) }
        }
        let head = [
            JSONValue.Member("id", event.id.map(JSONValue.int) ?? .null),
            JSONValue.Member("time", .string(time)),
            JSONValue.Member("type", .string(event.kind.rawValue)),
        ]
        return (time, .object(head + words))
    }
}
