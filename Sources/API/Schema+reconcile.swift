import Config
import Reconciler

/// The JSON Schemas of the reconciler's answers.
extension Schema {
    static var changeClass: JSONValue { words(ChangeClass.allCases.map(\.rawValue)) }

    static var reconcile: JSONValue {
        let tunnel = object(
            [
                "id": text, "name": nullable(text), "revision": text, "phase": phase, "reason": reason, "message": text,
                "overridden": boolean,
            ],
            required: ["id", "phase"]
        )
        return object(
            [
                "ready": boolean, "observed": text, "applied": text, "lastPass": nullable(text),
                "passMilliseconds": .object(["type": "number"]), "passes": count, "actions": count, "rejections": count,
                "rejection": nullable(rejection), "diagnostics": list("Diagnostic"), "invalid": texts,
                "overridden": count, "failing": count, "storage": nullable(text),
                "tunnels": .object(["type": "array", "items": tunnel]),
            ],
            required: ["ready", "observed", "applied", "tunnels"]
        )
    }

    static var outcome: JSONValue {
        let tunnel = object(
            [
                "id": text, "name": nullable(text), "alias": text, "revision": text,
                "outcome": words(AppliedInstance.Outcome.allCases.map(\.rawValue)), "phase": phase, "reason": reason,
                "message": text,
            ],
            required: ["id", "outcome", "phase"]
        )
        return object(
            [
                "revision": text, "behind": count, "invalid": texts,
                "tunnels": .object(["type": "array", "items": tunnel]),
            ],
            required: ["revision", "behind", "invalid", "tunnels"]
        )
    }

    static var plan: JSONValue {
        let change = object(
            ["path": text, "class": changeClass, "old": text, "new": text],
            required: ["path", "class", "old", "new"]
        )
        let connections = object(
            ["count": count, "effect": words(PlanReport.Connections.Effect.allCases.map(\.rawValue)), "limit": text],
            required: ["count", "effect", "limit"]
        )
        let step = object(
            [
                "action": words(PlanReport.Action.allCases.map(\.rawValue)), "name": text, "id": text,
                "source": nullable(text), "route": text, "changes": .object(["type": "array", "items": change]),
                "connections": nullable(connections),
            ],
            required: ["action", "name", "id", "changes"]
        )
        let conflict = object(
            ["address": text, "transport": words(["tcp", "udp"]), "tunnels": texts],
            required: ["address", "transport", "tunnels"]
        )
        return object(
            [
                "revision": text, "changes": boolean,
                "summary": .object(["type": "object", "additionalProperties": count]),
                "steps": .object(["type": "array", "items": step]),
                "overridden": .object(["type": "array", "items": overridden]),
                "conflicts": .object(["type": "array", "items": conflict]),
                "diagnostics": list("Diagnostic"),
            ],
            required: ["revision", "changes", "summary", "steps", "overridden", "conflicts", "diagnostics"]
        )
    }

    private static var overridden: JSONValue {
        object(
            [
                "name": text, "id": text, "since": text, "until": nullable(text), "by": text, "present": text,
                "declared": text,
            ],
            required: ["name", "id", "since", "by", "present", "declared"]
        )
    }

    static var manifest: JSONValue {
        let policy = object(
            ["overrides": words(["allow", "deny"]), "overrideTTL": text, "prune": boolean],
            required: ["overrides", "overrideTTL", "prune"]
        )
        let tunnel = object(
            [
                "name": text, "id": text, "source": nullable(text), "revision": text, "valid": boolean,
                "state": words(["running", "stopped"]), "fields": list("Field"),
            ],
            required: ["name", "id", "revision", "valid", "state", "fields"]
        )
        return object(
            [
                "files": texts, "revision": text, "policy": policy,
                "tunnels": .object(["type": "array", "items": tunnel]),
                "overridden": .object(["type": "array", "items": overridden]), "diagnostics": list("Diagnostic"),
                "rejection": nullable(rejection),
            ],
            required: ["files", "revision", "policy", "tunnels", "overridden", "diagnostics"]
        )
    }

    private static var rejection: JSONValue {
        object(["time": text, "diagnostics": list("Diagnostic")], required: ["time", "diagnostics"])
    }
}
