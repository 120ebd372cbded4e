import Config
import HTTPTypes
import Hummingbird
import NIOCore
import Reconciler

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

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
                        details:
                            "It begins with an `initial` event of every instance, or, where missed events follow, of "
                            + "the API key's row alone. A `: ping` comment every 15 s shows that it is alive. A reader that "
                            + "takes nothing for 30 s is cut without a proper end, so that it comes back.",
                        parameters: Operation.QueryField.resuming,
                        answers: [
                            .init(
                                status: 200,
                                text: "`instance` events",
                                events: [.init(name: "instance", schema: "InstanceEvent")]
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

    /// The subscription begins before the snapshot is taken: a change between the two shows twice rather than never.
    private func stream(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let subscription = try events.subscribe(afterID: try request.lastEventID)
        let opening = await opening(isResumed: subscription.isResumed)
        return EventStream.response(subscription, opening: opening, request)
    }

    /// What a stream starts with: every instance, or, where missed events follow, the key's row alone as a sign of life.
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

extension Operation.QueryField {
    /// How a stream goes on where it broke off.
    static let resuming: [Operation.QueryField] = [
        .init(name: "lastEventId", text: "Replay what followed this event", schema: Schema.count),
        .init(name: "Last-Event-ID", text: "The same, as browsers send it", place: "header"),
    ]
}

extension Operation.Answer {
    static let tooManyStreams = Operation.Answer(
        status: 503,
        text: "Too many event streams are open",
        schema: Schema.reference("Error"),
        headers: [.retryAfter]
    )
}

extension EventStream {
    /// The answer that streams a hub's events.
    static func response(
        _ subscription: EventSubscription,
        opening: String,
        _ request: Request
    ) -> Response {
        response(opening: opening, request) {
            var iterator = subscription.makeAsyncIterator()
            return try await iterator.next().map { EventView.block($0, in: subscription.log) }
        } onEnd: {
            subscription.end()
        }
    }

    /// The answer that streams what `next` gives until it ends or the reader goes; `onEnd` makes `next` give nil.
    static func response(
        opening: String,
        _ request: Request,
        next: @escaping @Sendable () async throws -> String?,
        onEnd: @escaping @Sendable () -> Void
    ) -> Response {
        let stream = EventStream(next: next)
        let body = request.body
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-cache"],
            body: ResponseBody { writer in
                defer { onEnd() }
                try await body.consumeWithInboundCloseHandler { _ in
                    try await stream.write(opening, to: &writer)
                } onInboundClosed: {
                    onEnd()
                }
                try await writer.finish(nil)
            }
        )
    }
}

/// Writes one subscriber's stream.
struct EventStream: Sendable {
    private enum Step: Sendable {
        case text(String)
        /// Nothing happened for a heartbeat.
        case silence
        case end
    }

    /// The next text to write; nil at the end, and when it is cancelled, after which it is asked again and must not have
    /// lost anything.
    let next: @Sendable () async throws -> String?

    /// Returns when the subscription ends; throws where the connection has to be cut without a proper end.
    @concurrent
    func write(_ opening: String, to writer: inout any ResponseBodyWriter) async throws {
        var text = opening
        while true {
            try await writer.write(ByteBuffer(string: text))
            switch try await step() {
            case .text(let next): text = next
            case .silence: text = EventView.heartbeat
            case .end: return
            }
        }
    }

    private func step() async throws -> Step {
        guard !Task.isCancelled else { return .end }
        return try await withThrowingTaskGroup(of: Step.self) { group in
            group.addTask { try await next().map(Step.text) ?? .end }
            group.addTask {
                try? await Task.sleep(for: APILimits.heartbeat)
                return .silence
            }
            let first = try await group.next() ?? .end
            group.cancelAll()
            // What came in the very moment the heartbeat was due has left its queue and must not get lost.
            if case .silence = first, case .text(let text)? = try await group.next() { return .text(text) }
            return first
        }
    }
}
