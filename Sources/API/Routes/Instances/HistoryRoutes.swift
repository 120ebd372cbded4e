import Config
import HTTPTypes
import Hummingbird
import Reconciler
import Tunnel

/// `GET /history` and `GET /instances/{id}/history`: the traffic of tunnels, step by step.
struct HistoryRoutes: Sendable {
    let reconciler: TunnelReconciler

    private static let defaultWindow = "1h"
    private static let defaultOverview = "5m"
    private static let longestWindow = Duration.seconds(HistoryResolution.minutes.keepSeconds)

    /// Durations up to the longest, as far as a pattern can express it.
    private static let windowPattern =
        "^([1-9][0-9]{0,3}[sm]|([1-9]|[1-9][0-9]|1[0-5][0-9]|16[0-8])h|[1-7]d)$"
    private static let overviewPattern = "^([1-9][0-9]?s|[1-5][0-9]{2}s|([1-9]|10)m)$"

    var resources: [Resource] {
        [
            Resource(
                path: "/instances/{id}/history",
                tag: .instances,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "getInstanceHistory",
                        summary:
                            "Read a tunnel's traffic: steps of 5 s for up to an hour, steps of a minute for up to a week",
                        parameters: [.window(default: Self.defaultWindow, "up to a week", pattern: Self.windowPattern)],
                        answers: [
                            .init(
                                status: 200,
                                text: "The steps, oldest first",
                                schema: Schema.reference(HistoryView.self)
                            ),
                            .badRequest, .notFound, .unread,
                        ],
                        handler: history
                    )
                ],
                lookup: { context in try await reconciler.requireRow(context) }
            ),
            Resource(
                path: "/history",
                tag: .instances,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "getHistory",
                        summary: "Read the recent traffic of all tunnels in steps of 5 s, the busiest tunnel first",
                        parameters: [
                            .window(default: Self.defaultOverview, "up to 10m", pattern: Self.overviewPattern)
                        ],
                        answers: [
                            .init(
                                status: 200,
                                text: "The steps of the tunnels that had traffic, 1000 at most",
                                schema: Schema.reference(HistoryOverviewView.self)
                            ),
                            .badRequest, .unread,
                        ],
                        handler: overview
                    )
                ]
            ),
        ]
    }

    private func history(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let window = try request.window(default: Self.defaultWindow, longest: Self.longestWindow)
        guard let history = try await reconciler.history(of: context.instanceID, window: window) else {
            throw APIError.instanceNotFound
        }
        return .json(
            HistoryView.object(
                HistoryView.Source(
                    id: context.instanceID,
                    stepSeconds: history.resolution.stepSeconds,
                    samples: history.samples
                )
            )
        )
    }

    private func overview(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let window = try request.window(default: Self.defaultOverview, longest: APILimits.overviewWindow)
        return .json(HistoryOverviewView.object(try await reconciler.historyOverview(window: window)))
    }
}

extension Request {
    fileprivate func window(default text: String, longest: Duration) throws(APIError) -> Duration {
        let window = GoDuration.parse(query("window") ?? text)
        guard let window, window >= .seconds(1), window <= longest else {
            throw APIError(
                .badRequest,
                "window",
                "Invalid window: '\(query("window") ?? "")' is not a duration from 1s to \(GoDuration.text(longest))"
            )
        }
        return window
    }
}

extension Operation.QueryField {
    fileprivate static func window(default text: String, _ range: String, pattern: String) -> Operation.QueryField {
        Operation.QueryField(
            name: "window",
            text: "How far back, as a duration \(range)",
            schema: ["type": "string", "pattern": .string(pattern), "default": .string(text)]
        )
    }
}
