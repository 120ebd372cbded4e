import HTTPTypes
import Hummingbird
import NIOCore
import Reconciler
import Synchronization

/// Writes one subscriber's stream.
struct EventStream: Sendable {
    /// What is to be written next; nothing after a poke, nil at the end.
    let next: @Sendable () async throws -> ByteBuffer?
    let poke: @Sendable () -> Void

    /// Returns when the subscription ends; throws where the connection has to close without a final
    /// chunk.
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

    /// The answer that streams what `next` gives until it ends or the reader goes; `poke` makes
    /// `next` return at once, if only with nothing, and `onEnd` makes it give nil.
    static func response(
        opening: String,
        _ request: Request,
        next: @escaping @Sendable () async throws -> ByteBuffer?,
        poke: @escaping @Sendable () -> Void,
        onEnd: @escaping @Sendable () -> Void
    ) -> Response {
        let stream = EventStream(next: next, poke: poke)
        let body = request.body
        // Watching for the reader to leave takes the connection's input for good: it closes after
        // the stream, and says so, for a client that keeps connections would lose the request it
        // sends after `shutdown`.
        return Response(
            status: .ok,
            headers: [
                .contentType: "text/event-stream", .cacheControl: "no-cache", .connection: "close",
                // nginx would keep the events until it has a buffer full of them.
                .accelBuffering: "no",
            ],
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

extension HTTPField.Name {
    /// The name is a constant, so the fallback is never taken.
    fileprivate static let accelBuffering = HTTPField.Name("X-Accel-Buffering") ?? .cacheControl
}

/// How long nothing has been written.
private final class Silence: Sendable {
    private let since = Mutex(ContinuousClock.now)

    /// When a heartbeat is due.
    var limit: ContinuousClock.Instant { since.withLock { $0 + APILimits.heartbeat } }

    func begin() { since.withLock { $0 = .now } }
}
