import Config
import HTTPTypes
import Hummingbird
import Reconciler
import Tunnel

/// `GET /reconcile`: how far the daemon has come with what the manifest asks for.
struct ReconcileRoutes: Sendable {
    let reconciler: TunnelReconciler

    var resources: [Resource] {
        [
            Resource(
                path: "/reconcile",
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "getReconcile",
                        summary: "Observed and applied revision, the last pass, tunnels' phases, a rejection if any",
                        answers: [.init(status: 200, text: "The state", schema: Schema.reference("Reconcile"))]
                    ) { _, _ in .json(await view()) }
                ]
            )
        ]
    }

    private func view() async -> JSONValue {
        let status = await reconciler.status()
        let tunnels = await reconciler.instances()
        return .object([
            "ready": .bool(reconciler.isReady),
            "observed": .string(status.observedRevision),
            "applied": .string(status.appliedRevision),
            "lastPass": status.lastPass.map { .string(RFC3339.text($0)) } ?? .null,
            "passes": .int(Int64(status.passes)),
            "actions": .int(Int64(status.actions)),
            "rejections": .int(Int64(status.rejections)),
            "rejection": status.rejection.map(rejection) ?? .null,
            "diagnostics": .array(status.diagnostics.map(\.view)),
            "invalid": .array(status.invalid.map(JSONValue.string)),
            "storage": status.storageProblem.map { .string($0.description) } ?? .null,
            "tunnels": .array(tunnels.map(tunnel)),
        ])
    }

    private func rejection(_ rejection: ReconcileStatus.Rejection) -> JSONValue {
        .object([
            "time": .string(RFC3339.text(rejection.time)),
            "diagnostics": .array(rejection.diagnostics.map(\.view)),
        ])
    }

    private func tunnel(_ instance: Instance) -> JSONValue {
        .object([
            "id": .string(instance.id),
            "name": instance.name.map(JSONValue.string) ?? .null,
            "revision": .string(instance.revision),
            "phase": .string(instance.phase.rawValue),
            "reason": .string(instance.status?.reason?.rawValue ?? ""),
            "message": .string(instance.status?.message ?? ""),
            "overridden": .bool(instance.override != nil),
        ])
    }
}
