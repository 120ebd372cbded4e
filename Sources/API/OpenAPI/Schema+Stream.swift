import Config

/// Streams of server-sent events.
extension Schema {
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
}
