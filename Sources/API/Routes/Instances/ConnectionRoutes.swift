import Config
import HTTPTypes
import Hummingbird
import Reconciler
import Tunnel

/// `GET /instances/{id}/connections`: who is connected.
struct ConnectionRoutes: Sendable {
    let reconciler: TunnelReconciler

    var resources: [Resource] {
        [
            Resource(
                path: "/instances/{id}/connections",
                tag: .instances,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "getInstanceConnections",
                        summary: "List a tunnel's users: address, since when, bytes",
                        answers: [
                            .init(
                                status: 200,
                                text: "The users, those who came first at the beginning",
                                schema: Schema.reference(ConnectionsView.self)
                            ),
                            .notFound,
                        ],
                        handler: read
                    )
                ],
                lookup: { context in try await reconciler.requireRow(context) }
            )
        ]
    }

    private func read(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let id = try await reconciler.instance(of: context).id
        let users = await reconciler.host.users(of: id) ?? UserConnections()
        return .json(ConnectionsView.object(users))
    }
}
