import Config
import Reconciler

/// Server-sent events and what their `data` holds.
extension Schema {
    static var events: [JSONValue.Member] {
        [
            .init("InstanceEvent", instanceEvent),
            .init(
                "PlanEvent",
                notice(
                    "A pass is about to do something",
                    [
                        "revision": revision("Of the manifest"), "summary": reference("PlanSummary"),
                        "steps": list("Step", "The first of them, long texts cut"),
                    ]
                )
            ),
            .init(
                "ApplyEvent",
                notice(
                    "A pass has done it",
                    [
                        "revision": revision("Of the manifest"), "summary": reference("PlanSummary"),
                        "failing": texts("Names of those that do not run as they should"),
                    ]
                )
            ),
            .init(
                "RejectEvent",
                notice(
                    "A manifest changed nothing",
                    [
                        "count": count("How many diagnostics there are"),
                        "diagnostics": list("Diagnostic", "The first of them"),
                    ]
                )
            ),
            .init("OverrideEvent", notice("A request changed a declared tunnel", ["override": reference("Override")])),
            .init(
                "ReleaseEvent",
                notice(
                    "The manifest's word stands again",
                    [
                        "cause": words(
                            ReconcileNotice.ReleaseCause.allCases.map(\.rawValue),
                            "What ended the override"
                        ),
                        "by": text("Who"),
                    ]
                )
            ),
            .init(
                "DriftEvent",
                notice(
                    "A tunnel fails by itself, or has recovered",
                    [
                        "phase": phase, "reason": reason, "message": text("In a sentence; may be empty"),
                        "resolved": boolean("Whether it has recovered"),
                    ]
                )
            ),
        ]
    }

    /// One event of a stream after the other: what `event:`, `data:` and `id:` hold.
    static func stream(of events: [Operation.Event]) -> JSONValue {
        let choices = events.map(event)
        guard choices.count > 1 else { return choices[0] }
        return ["description": "Each event of the stream", "oneOf": .array(choices)]
    }

    private static func event(_ event: Operation.Event) -> JSONValue {
        var members: [JSONValue.Member] = [
            .init("event", ["const": .string(event.name)]),
            .init(
                "data",
                [
                    "type": "string", "contentMediaType": "application/json", "contentSchema": reference(event.schema),
                ]
            ),
        ]
        if event.isNumbered {
            members.append(
                .init("id", text("Where to go on; those that are not stored have none", pattern: "^[0-9]+$"))
            )
        }
        return [
            "description": .string("Each `\(event.name)` event of the stream"), "type": "object",
            "properties": .object(members), "required": ["event", "data"],
        ]
    }

    private static var instanceEvent: JSONValue {
        let kinds: [StreamEvent.Kind] = [.initial, .create, .update, .delete, .log, .shutdown]
        return record(
            "What happened to an instance; `initial` shows one that is there, `shutdown` is the last of its stream",
            [
                "type": words(kinds.map(\.rawValue), "What"), "time": time("When"),
                "instance": nullable(reference("Instance")),
                "logs": text("The line of a `log`, with its colours; else empty"),
            ]
        )
    }

    /// The `data` of a reconcile event.
    private static func notice(_ description: String, _ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        let head: KeyValuePairs<String, JSONValue> = [
            "type": words(StreamEvent.noticeKinds.map(\.rawValue), "The event's name again"), "time": time("When"),
            "tunnel": nullable(text("The name, or else the id, of the tunnel it is about")), "id": nullable(id),
            "alias": nullable(text("The alias of an instance that was created through the API; may be empty")),
        ]
        let all = Array(head) + Array(members)
        return [
            "description": .string(description), "type": "object",
            "properties": .object(all.map { .init($0.key, $0.value) }),
            "required": .array(all.map { .string($0.key) }), "additionalProperties": false,
        ]
    }
}

extension StreamEvent {
    fileprivate static let noticeKinds: [Kind] = [.plan, .apply, .reject, .override, .release, .drift]
}
