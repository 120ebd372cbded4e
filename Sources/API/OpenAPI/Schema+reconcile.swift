import Config
import Reconciler

/// How far the daemon has come with its manifest, and what it holds.
extension Schema {
    static var reconciling: [JSONValue.Member] {
        [
            .init("Reconcile", reconcile), .init("TunnelPhase", tunnelPhase), .init("Rejection", rejection),
            .init("Outcome", outcome), .init("TunnelOutcome", tunnelOutcome), .init("Manifest", manifest),
            .init("DeclaredTunnel", declaredTunnel), .init("Policy", policy),
        ]
    }

    private static var reconcile: JSONValue {
        record(
            "The reconciler's state",
            [
                "ready": boolean("Whether the first pass is done"),
                "observed": revision("Of the manifest that was last read"),
                "applied": revision("Of the manifest that a pass has applied"),
                "lastPass": nullable(time("When the last pass ended")),
                "passMilliseconds": ["description": "How long it took", "type": "number", "minimum": 0],
                "passes": count("Since the start"), "actions": count("Steps of all passes since the start"),
                "rejections": count("Manifests that changed nothing, since the start"),
                "rejection": nullable(reference("Rejection")),
                "diagnostics": list("Diagnostic", "What the manifest's reader has to say"),
                "invalid": texts("Names whose declaration is wrong: they stay as they were"),
                "overridden": count("Declared tunnels that requests have changed"),
                "failing": count("Tunnels in backoff or failed"),
                "storage": nullable(text("What keeps the store from taking writes")),
                "tunnels": list("TunnelPhase"),
            ]
        )
    }

    private static var tunnelPhase: JSONValue {
        record(
            "Where a tunnel is",
            [
                "id": id, "name": name, "revision": revision("Of the declaration that is applied"), "phase": phase,
                "reason": reason, "message": text("In a sentence; may be empty"),
                "overridden": boolean("Whether a request has changed it"),
            ]
        )
    }

    private static var rejection: JSONValue {
        record(
            "A manifest on disk that changes nothing, because it does not read",
            ["time": time("Since when"), "diagnostics": list("Diagnostic")]
        )
    }

    private static var outcome: JSONValue {
        record(
            "What became of every tunnel",
            [
                "revision": revision("Of the manifest that is applied"),
                "behind": count("How many are pending or failed"),
                "invalid": texts("Names whose declaration is wrong: they stay as they were"),
                "tunnels": list("TunnelOutcome"),
            ]
        )
    }

    private static var tunnelOutcome: JSONValue {
        record(
            "What became of a tunnel",
            [
                "id": id, "name": name, "alias": text("Name shown in dashboards"),
                "revision": revision("Of the declaration that is applied"),
                "outcome": words(
                    AppliedInstance.Outcome.allCases.map(\.rawValue),
                    "`waiting` is as it should be, its other end is not there; `pending` ran out of time"
                ),
                "phase": phase, "reason": reason, "message": text("In a sentence; may be empty"),
            ]
        )
    }

    private static var manifest: JSONValue {
        record(
            "The declared layer as it was last read",
            [
                "files": texts("What was read"), "revision": revision("Of its content; the `ETag` too"),
                "policy": reference("Policy"), "tunnels": list("DeclaredTunnel", "By name"),
                "overridden": list("Overridden", "Tunnels that requests have changed"),
                "diagnostics": list("Diagnostic", "What the reader has to say"),
                "rejection": nullable(reference("Rejection")),
            ]
        )
    }

    private static var declaredTunnel: JSONValue {
        record(
            "A tunnel as it is declared",
            [
                "name": text("Its name", example: "web"), "id": id, "source": source,
                "revision": revision("Of its declaration"),
                "valid": boolean("False where its present declaration is wrong: this is its last good one"),
                "state": described("What is declared", runState), "fields": list("Field", "Keys not at their default"),
            ]
        )
    }

    private static var policy: JSONValue {
        record(
            "What the outside world may do",
            [
                "overrides": words(["allow", "deny"], "Whether requests may change declared tunnels"),
                "overrideTTL": text("How long such a change stands; `0s` is for ever", example: "30m0s"),
                "prune": boolean("Whether a tunnel that leaves the manifest is deleted"),
            ]
        )
    }
}
