import Config
import Reconciler
import Tunnel

/// What a manifest would change.
extension Schema {
    static var plans: [JSONValue.Member] {
        [
            .init("Plan", plan), .init("PlanSummary", summary), .init("Step", step), .init("Change", change),
            .init("Connections", connections), .init("Overridden", overridden), .init("Conflict", conflict),
        ]
    }

    private static var plan: JSONValue {
        record(
            "What a manifest would change",
            [
                "revision": revision("Of that manifest"), "changes": boolean("Whether anything is to be done"),
                "summary": reference("PlanSummary"), "steps": list("Step", "In the order they are done"),
                "overridden": list("Overridden", "Tunnels that stay as requests have changed them"),
                "conflicts": list("Conflict", "Addresses that several tunnels want"),
                "diagnostics": list("Diagnostic", "What the manifest's reader has to say"),
            ]
        )
    }

    private static var summary: JSONValue {
        let names = PlanReport.Action.allCases.map(\.rawValue) + ["overridden", "unchanged"]
        return [
            "description": "How many tunnels each of them concerns", "type": "object",
            "properties": .object(names.map { .init($0, count) }), "required": .array(names.map(JSONValue.string)),
            "additionalProperties": false,
        ]
    }

    private static var step: JSONValue {
        record(
            "What is done with one tunnel",
            [
                "action": words(
                    PlanReport.Action.allCases.map(\.rawValue),
                    "What; `adopt` takes over an instance that was created through the API, and may change it"
                ),
                "name": text("Its name, or its id", example: "web"), "id": id,
                "alias": nullable(text("The alias of an instance that was created through the API; may be empty")),
                "source": source,
                "route": text("From where to where", example: "client://127.0.0.1:6380 → 10.0.0.7:6379"),
                "changes": list("Change"), "connections": nullable(reference("Connections")),
            ]
        )
    }

    private static var change: JSONValue {
        record(
            "One key that changes; what came from references, and keys, are masked",
            [
                "path": text("Its path in a manifest", example: "limits.rate"), "class": changeClass,
                "old": text("In words", example: "0"), "new": text("In words", example: "100Mbps"),
            ]
        )
    }

    private static var connections: JSONValue {
        record(
            "What becomes of the connections there are",
            [
                "count": count("How many"),
                "effect": words(PlanReport.Connections.Effect.allCases.map(\.rawValue), "What"),
                "limit": text("How long they may finish", example: "30s"),
            ]
        )
    }

    private static var overridden: JSONValue {
        record(
            "A declared tunnel that a request has changed",
            [
                "name": text("Its name", example: "web"), "id": id, "since": time("When"),
                "until": nullable(time("When it ends by itself")), "by": text("Who: an address, or `socket`"),
                "present": text("What it is", example: "stopped"),
                "declared": text("What the manifest says", example: "running"),
            ]
        )
    }

    private static var conflict: JSONValue {
        record(
            "An address that several tunnels want",
            [
                "address": text("Which", example: "0.0.0.0:80"), "transport": words(["tcp", "udp"], "Over what"),
                "tunnels": texts("Their names"),
            ]
        )
    }
}
