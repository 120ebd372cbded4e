import Config
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Reconciler

/// `GET /reconcile/log`: what the reconciler did lately, for those who come later.
struct NoticeLogRoutes: Sendable {
    let reconciler: TunnelReconciler

    private static let defaultWindow = "24h"
    private static let longestWindow = Duration.seconds(30 * 86_400)
    private static let defaultTail = 200

    var resources: [Resource] {
        [
            Resource(
                path: "/reconcile/log",
                tag: .events,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "getReconcileLog",
                        summary: "Read what the reconciler did lately, and why",
                        parameters: [.since, .newest, .tunnel],
                        answers: [
                            .init(status: 200, text: "The events", schema: Schema.reference(NoticeLogView.self)),
                            .badRequest,
                        ],
                        handler: read
                    )
                ]
            )
        ]
    }

    private func read(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let window = try request.duration("since") ?? GoDuration.parse(Self.defaultWindow) ?? .zero
        let events = try await reconciler.notices(
            since: Date() - (min(window, Self.longestWindow) / .seconds(1)),
            about: request.query("tunnel"),
            limit: try tail(request)
        )
        return .json(NoticeLogView.object(events))
    }

    private func tail(_ request: Request) throws(APIError) -> Int {
        guard let text = request.query("tail") else { return Self.defaultTail }
        guard let count = Int(text), (1...APILimits.noticeTail).contains(count) else {
            throw .outside("tail", 1...APILimits.noticeTail)
        }
        return count
    }
}

extension Operation.QueryField {
    fileprivate static let since = Operation.QueryField(
        name: "since",
        text: "How far back, such as 8h; at most 30 days, 24h when it is not given",
        schema: Schema.duration
    )
    fileprivate static let newest = Operation.QueryField(
        name: "tail",
        text: "How many of the newest events",
        schema: .object(["type": "integer", "minimum": 1, "maximum": .int(Int64(APILimits.noticeTail)), "default": 200])
    )
    fileprivate static let tunnel = Operation.QueryField(
        name: "tunnel",
        text: "Only those about the tunnel with this name or id"
    )
}
