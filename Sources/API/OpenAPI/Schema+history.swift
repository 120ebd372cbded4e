import Config

/// What the history routes answer.
extension Schema {
    static var histories: [JSONValue.Member] {
        [
            .init("History", history), .init("HistoryPoint", historyPoint),
            .init("HistoryOverview", historyOverview), .init("HistoryLine", historyLine),
        ]
    }

    private static let step = count("Length of a step in seconds")

    private static var history: JSONValue {
        record(
            "What a tunnel did, step by step",
            [
                "id": id, "step": step,
                "points": list("HistoryPoint", "Oldest first; steps in which the daemon was not there are missing"),
            ]
        )
    }

    private static var historyPoint: JSONValue {
        record(
            "One step",
            [
                "time": count("Its end, in seconds since 1970"), "tcprx": count("Bytes from users in this step"),
                "tcptx": count("Bytes to users in this step"), "udprx": count("As tcprx, over UDP"),
                "udptx": count("As tcptx, over UDP"),
                "connections": count("At its end, or, in steps of a minute, the most of them"),
                "pool": count("Idle links"),
            ]
        )
    }

    private static var historyOverview: JSONValue {
        record(
            "What all tunnels moved lately",
            [
                "step": step, "times": array(count, "Ends of the steps, in seconds since 1970"),
                "tunnels": list("HistoryLine", "Those that moved anything, the busiest first"),
            ]
        )
    }

    private static var historyLine: JSONValue {
        record(
            "One tunnel, with a figure for each of the times",
            ["id": id, "in": array(count, "Bytes from users"), "out": array(count, "Bytes to users")]
        )
    }
}
