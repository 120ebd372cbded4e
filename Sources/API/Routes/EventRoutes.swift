import Config
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import Reconciler
import Synchronization

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
                            "It begins with an `initial` event of every instance. A stream that resumes begins with the one "
                            + "of the API key's row, then sends the missed events. A `: ping` comment every 15 s shows that it "
                            + "is alive. A reader that reads nothing for 30 s is disconnected without the final chunk, so "
                            + "that it reconnects.",
                        parameters: Operation.QueryField.resuming,
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

extension EventStream {
    /// The answer that streams a hub's events.
    static func response(
        _ subscription: EventSubscription,
        opening: String,
        _ request: Request
    ) -> Response {
        response(opening: opening, request) {
            try await subscription.nextBatch().map { events in
                var buffer = ByteBuffer()
                for event in events { EventView.append(event, in: subscription.log, to: &buffer) }
                return buffer
            }
        } poke: {
            subscription.poke()
        } onEnd: {
            subscription.end()
        }
    }

    /// The answer that streams what `next` gives until it ends or the reader goes; `poke` makes `next` return at once, if
    /// only with nothing, and `onEnd` makes it give nil.
    static func response(
        opening: String,
        _ request: Request,
        next: @escaping @Sendable () async throws -> ByteBuffer?,
        poke: @escaping @Sendable () -> Void,
        onEnd: @escaping @Sendable () -> Void
    ) -> Response {
        let stream = EventStream(next: next, poke: poke)
        let body = request.body
        // Watching for the reader to leave takes the connection's input for good: it closes after the stream, and says so,
        // for a client that keeps connections would lose the request it sends after `shutdown`.
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-cache", .connection: "close"],
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
    /// What is to be written next; nothing after a poke, nil at the end.
    let next: @Sendable () async throws -> ByteBuffer?
    let poke: @Sendable () -> Void

    /// Returns when the subscription ends; throws where the connection has to close without a final chunk.
    @concurrent
    func write(_ opening: String, to writer: inout any ResponseBodyWriter) async throws {
        let silence = Silence()
        async let _: Void = breakUp(silence)
        var text = ByteBuffer(string: opening)
        repeat {
            try await writer.write(text.readableBytes > 0 ? text : EventView.heartbeatBuffer)
            silence.begin()
            guard let following = try await next() else { return }
            text = following
        } while true
    }

    /// Pokes whenever nothing was written for the time of a heartbeat.
    private func breakUp(_ silence: Silence) async {
        while (try? await Task.sleep(until: silence.limit)) != nil {
            if silence.limit > .now { continue }
            silence.begin()
            poke()
        }
    }
}

/// How long nothing has been written.
private final class Silence: Sendable {
    private let since = Mutex(ContinuousClock.now)

    /// When a heartbeat is due.
    var limit: ContinuousClock.Instant { since.withLock { $0 + APILimits.heartbeat } }

    func begin() { since.withLock { $0 = .now } }
}
