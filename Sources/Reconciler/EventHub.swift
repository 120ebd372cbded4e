import Synchronization
import Tunnel

/// Hands events to subscribers without ever waiting for one of them.
///
/// A subscriber has a short queue. One that falls behind loses the queue, not the events: it reads on from the store,
/// where every numbered event already is, with the `update`s of an instance folded into their last one, and is cut only
/// when the store no longer has what it needs. The same way serves a client that resumes by id.
package final class EventHub: Sendable {
    package static let subscriberLimit = 1_000
    /// Events that wait for one subscriber before it has to read on from the store.
    package static let queueLimit = 1_024
    /// Events read from the store at a time.
    static let pageSize = 256

    package struct TooManySubscribers: Error, Hashable {}

    private let store: StateStore
    let log: EventLog
    let state: Mutex<EventHubState>

    package init(store: StateStore, log: EventLog = .instances) throws(StateStoreError) {
        self.store = store
        self.log = log
        state = Mutex(EventHubState(lastID: try store.eventBounds(of: log)?.upperBound ?? 0))
    }

    package var subscriberCount: Int { state.withLock { $0.subscribers.count } }
    package var hasSubscribers: Bool { subscriberCount > 0 }
    /// Id of the newest numbered event that was published (or stored before this start).
    package var lastID: Int64 { state.withLock { $0.lastID } }

    /// Subscribes from now on, or from after an event that is still in the store.
    ///
    /// When it is no longer there the subscription starts now and says so: `isResumed` is false, and the caller sends
    /// the initial batch.
    package func subscribe(afterID id: Int64? = nil) throws -> EventSubscription {
        var resumeAt: Int64?
        if let id, id >= 0, let bounds = try store.eventBounds(of: log),
            (bounds.lowerBound - 1...bounds.upperBound).contains(id)
        {
            resumeAt = id
        }
        let number = try state.withLock { state throws(TooManySubscribers) in
            try state.add(resumingAfter: resumeAt)
        }
        return EventSubscription(hub: self, number: number, isResumed: resumeAt != nil)
    }

    /// Subscribes from the newest `count` events on; where fewer are stored, from the first of them.
    package func subscribe(last count: Int) throws -> EventSubscription {
        guard count > 0, let bounds = try store.eventBounds(of: log) else { return try subscribe() }
        return try subscribe(afterID: max(bounds.lowerBound - 1, bounds.upperBound - Int64(count)))
    }

    /// Queues those events of the hub's log for every subscriber; numbered ones must be in the store already.
    package func publish(_ events: [StreamEvent]) {
        let events = events.filter { $0.kind.log == log }
        guard !events.isEmpty else { return }
        resume(state.withLock { $0.publish(events) })
    }

    /// Sends one last event to everyone and ends all streams after it; new subscribers are welcome again at once.
    package func shutdown(payload: String) {
        let last = StreamEvent(id: nil, kind: .shutdown, instanceID: nil, payload: payload)
        resume(state.withLock { $0.shutdown(last) })
    }

    private func resume(_ waiters: [CheckedContinuation<Void, Never>]) {
        for waiter in waiters { waiter.resume() }
    }
}

// MARK: - One subscriber's side

extension EventHub {
    func next(for number: Int) async throws(EventSubscription.Cut) -> StreamEvent? {
        while true {
            switch state.withLock({ $0.take(number) }) {
            case .event(let event):
                return event
            case .end:
                return nil
            case .cut:
                throw EventSubscription.Cut()
            case .fetch(let after):
                // A store that can not be read now may be read when the client comes back.
                let page = try? await store.events(after: after, limit: EventHub.pageSize, in: log)
                state.withLock { $0.fill(number, after: after, with: page) }
            case .wait:
                await park(number)
                if Task.isCancelled { return nil }
            }
        }
    }

    private func park(_ number: Int) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isCancelled = Task.isCancelled
                let mustResume = state.withLock { $0.park(number, waiter, isCancelled: isCancelled) }
                if mustResume { waiter.resume() }
            }
        } onCancel: {
            state.withLock { $0.unpark(number) }?.resume()
        }
    }

    func end(_ number: Int) {
        state.withLock { $0.remove(number) }?.resume()
    }
}
