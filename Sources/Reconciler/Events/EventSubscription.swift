import Tunnel

/// One subscriber's stream of events; it ends after a `shutdown` event, and the subscription with its last reference.
package final class EventSubscription: AsyncSequence, Sendable {
    package typealias Element = StreamEvent

    /// The subscriber was too slow for too long: drop the connection abruptly, so that the client resumes by id.
    package struct Cut: Error, Hashable {}

    /// True when the stream goes on after the id that was asked for; otherwise the client needs the initial batch.
    package let isResumed: Bool
    /// Which stream it is.
    package var log: EventLog { hub.log }
    private let hub: EventHub
    private let number: Int

    init(hub: EventHub, number: Int, isResumed: Bool) {
        self.hub = hub
        self.number = number
        self.isResumed = isResumed
    }

    deinit {
        hub.end(number)
    }

    package func makeAsyncIterator() -> Iterator {
        Iterator(subscription: self)
    }

    /// All that has come since the last call, as soon as there is anything; nil at the end, nothing after a ``poke()``.
    package func nextBatch() async throws(Cut) -> [StreamEvent]? {
        try await hub.next(for: number, limit: EventHub.batchLimit)
    }

    /// Has the next call of ``nextBatch()`` return at once, with nothing if nothing has come.
    package func poke() {
        hub.poke(number)
    }

    /// Ends the stream; a reader that waits gets nil.
    package func end() {
        hub.end(number)
    }

    package struct Iterator: AsyncIteratorProtocol {
        private let subscription: EventSubscription

        init(subscription: EventSubscription) {
            self.subscription = subscription
        }

        package mutating func next() async throws(Cut) -> StreamEvent? {
            try await subscription.nextEvent()
        }

        package mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(Cut) -> StreamEvent? {
            try await subscription.nextEvent()
        }
    }

    private func nextEvent() async throws(Cut) -> StreamEvent? {
        while let events = try await hub.next(for: number, limit: 1) {
            if let event = events.first { return event }
        }
        return nil
    }
}
