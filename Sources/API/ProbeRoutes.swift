import HTTPTypes
import Hummingbird
import Reconciler

/// What stands outside the prefix: probes for supervisors, and a page for whoever opens the bare address.
struct ProbeRoutes: Sendable {
    let reconciler: TunnelReconciler
    let prefix: String

    var resources: [Resource] {
        [
            Resource(
                path: "/healthz",
                access: .open,
                operations: [
                    Operation(
                        method: .get,
                        id: "health",
                        summary: "Whether the daemon is alive",
                        answers: [.init(status: 200, text: "It is", type: "text/plain")]
                    ) { _, _ in .text("ok\n") }
                ]
            ),
            Resource(
                path: "/readyz",
                access: .open,
                operations: [
                    Operation(
                        method: .get,
                        id: "readiness",
                        summary: "Whether the first reconcile pass is done",
                        answers: [
                            .init(status: 200, text: "It is", type: "text/plain"),
                            .init(status: 503, text: "Not yet", type: "text/plain"),
                        ]
                    ) { _, _ in readiness() }
                ]
            ),
            Resource(
                path: "/",
                access: .open,
                operations: [
                    Operation(
                        method: .get,
                        id: "landing",
                        summary: "A page that leads to the documentation",
                        answers: [.init(status: 200, text: "HTML", type: "text/html")]
                    ) { _, _ in .page(DocsPage.landing(prefix: prefix)) }
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
