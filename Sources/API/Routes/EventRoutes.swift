import Config
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Reconciler

/// `GET /events`: instance events as server-sent events.
struct EventRoutes: Sendable {
    let reconciler: TunnelReconciler
    let identity: DaemonIdentity
    let events: EventHub

    var resources: [Resource] {
        [
            Resource(
                path: "/events",
                tag: .events,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "streamEvents",
                        summary: "Follow instance events (SSE); a stream resumes after the event id it names",
                        role: .admin,
                        details:
                            "It begins with an `initial` event of every instance. A stream that resumes begins with the one "
                            + "of the API key's row, then sends the missed events. A `: ping` comment every 15 s shows that it "
                            + "is alive. A reader that reads nothing for 30 s is disconnected without the final chunk, so "
                            + "that it reconnects.",
                        parameters: Operation.QueryField.resuming + [.reports],
                        answers: [
                            .init(
                                status: 200,
                                text: "`instance` events",
                                events: [.init(name: "instance", schema: EventView.name)]
                            ),
                            .badRequest,
                            .tooManyStreams,
                        ],
                        handler: stream
                    )
                ]
            )
        ]
    }

    /// The subscription begins before the snapshot is taken: a change between the two shows twice
    /// rather than never.
    private func stream(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let subscription = try events.subscribe(afterID: try request.lastEventID, reports: try request.reports)
        let opening = await opening(isResumed: subscription.isResumed)
        return EventStream.response(subscription, opening: opening, request)
    }

    /// What a stream starts with: every instance, or, where missed events follow, the key's row
    /// alone as a sign of life.
    private func opening(isResumed: Bool) async -> String {
        let now = Date()
        let key = KeyView.object(key: identity.apiKey, masterID: identity.masterID, alias: identity.masterAlias)
        var objects = [key]
        if !isResumed {
            objects += await reconciler.instances().map { InstanceView.object($0, now: now) }
        }
        return objects.reduce(into: EventView.greeting) { text, object in
            let payload = EventView.payload(.initial, now, object: object)
            text += EventView.block(StreamEvent(id: nil, kind: .initial, instanceID: nil, payload: payload))
        }
    }
}

extension Request {
    fileprivate var reports: EventReports {
        get throws(APIError) {
            guard let text = query("reports") else { return .all }
            guard let reports = EventReports(rawValue: text) else {
                throw APIError(.badRequest, "parameter", "reports takes all or changed")
            }
            return reports
        }
    }
}

extension Operation.QueryField {
    /// Which figures of running tunnels are sent.
    fileprivate static let reports = Operation.QueryField(
        name: "reports",
        text: "`all` is a report every 5 s of each running tunnel, as NodePass's masters send it; `changed` leaves out "
            + "what says the same as before, but for one a minute",
        schema: ["enum": ["all", "changed"], "default": "all"]
    )

    /// How a stream resumes.
    static let resuming: [Operation.QueryField] = [
        .init(name: "lastEventId", text: "Replay the events after this one", schema: Schema.count),
        .init(name: "Last-Event-ID", text: "The same, as browsers send it", place: "header"),
    ]
}

extension Operation.Answer {
    static let tooManyStreams = Operation.Answer(
        status: 503,
        text: "Too many event streams are open",
        schema: Schema.reference(ErrorView.self),
        headers: [.retryAfter]
    )
}
