import HTTPTypes
import Hummingbird
import Reconciler

/// Probes for supervisors, outside the prefix.
struct ProbeRoutes: Sendable {
    let reconciler: TunnelReconciler

    var resources: [Resource] {
        [
            Resource(
                path: "/healthz",
                tag: .pages,
                access: .open,
                operations: [
                    Operation(
                        method: .get,
                        id: "health",
                        summary: "Report whether the daemon is alive",
                        answers: [.init(status: 200, text: "The daemon is alive", type: "text/plain")]
                    ) { _, _ in .text("ok\n") }
                ]
            ),
            Resource(
                path: "/readyz",
                tag: .pages,
                access: .open,
                operations: [
                    Operation(
                        method: .get,
                        id: "readiness",
                        summary: "Report whether the first reconcile pass is done",
                        answers: [
                            .init(status: 200, text: "The first pass is done", type: "text/plain"),
                            .init(status: 503, text: "The first pass is not done yet", type: "text/plain"),
                        ]
                    ) { _, _ in readiness() }
                ]
            ),
        ]
    }

    private func readiness() -> Response {
        if reconciler.isReady { return .text("ok\n") }
        var response = Response.text("waiting for the first reconcile pass\n")
        response.status = .serviceUnavailable
        return response
    }
}
