import Config

/// What the history routes answer.
extension Schema {
    static var history: JSONValue {
        let point = object(
            [
                "time": count, "tcprx": count, "tcptx": count, "udprx": count, "udptx": count, "connections": count,
                "pool": count,
            ],
            required: ["time", "tcprx", "tcptx", "udprx", "udptx", "connections", "pool"]
        )
        return object(
            ["id": text, "step": count, "points": .object(["type": "array", "items": point])],
            required: ["id", "step", "points"]
        )
    }

    static var historyOverview: JSONValue {
        let counts = JSONValue.object(["type": "array", "items": count])
        let tunnel = object(["id": text, "in": counts, "out": counts], required: ["id", "in", "out"])
        return object(
            ["step": count, "times": counts, "tunnels": .object(["type": "array", "items": tunnel])],
            required: ["step", "times", "tunnels"]
        )
    }
}
