package import FoundationEssentials
import Synchronization

/// Hands events to subscribers without ever waiting for one of them.
///
/// A subscriber has a short queue. One that falls behind loses the queue, not the events: it reads on
/// from the store, where every numbered event already is, with the `update`s of an instance folded into
/// their last one, and is cut only when the store no longer has what it needs. A client that resumes by
/// id is treated the same. The newest events are kept as they were rendered (``RecentEvents``), so that
/// readers who are a little behind need neither the store nor the renderer.
package final class EventHub: Sendable {
    package static let subscriberLimit = 1_000
    /// Events that wait for one subscriber before it has to read on from the store.
    package static let queueLimit = 1_024
    /// What one reader is given at once, in events and, but for the last of them, in bytes: a reader with a thousand
    /// others beside it is served in few large pieces, and none of them holds much memory.
    static let batchLimit = 256
    static let batchBytes = 256 * 1024
    /// Events read from the store at a time.
    static let pageSize = 256

    package struct TooManySubscribers: Error, Hashable {}

    private let store: StateStore
    private let render: EventRenderer
    let log: EventLog
    let state: Mutex<EventHubState>

    package init(
        store: StateStore,
        log: EventLog = .instances,
        renderer: @escaping EventRenderer
    ) throws(StateStoreError) {
        self.store = store
        self.log = log
        render = renderer
        state = Mutex(EventHubState(lastID: try store.lastEventID(of: log)))
    }

    package var subscriberCount: Int { state.withLock { $0.subscribers.count } }
    package var hasSubscribers: Bool { subscriberCount > 0 }
    /// Id of the newest numbered event that was published (or stored before this start).
    package var lastID: Int64 { state.withLock { $0.lastID } }

    /// Subscribes from now on, or from after an event that is still in the store.
    ///
    /// When it is no longer there the subscription starts now and `isResumed` is false: the caller sends
    /// the initial batch.
    package func subscribe(afterID id: Int64? = nil, reports: EventReports = .all) throws -> EventSubscription {
        var resumeAt: Int64?
        if let id, id >= 0, let bounds = try store.eventBounds(of: log),
            (bounds.lowerBound - 1...bounds.upperBound).contains(id)
        {
            resumeAt = id
        }
        let number = try state.withLock { state throws(TooManySubscribers) in
            try state.add(resumingAfter: resumeAt, reports: reports)
        }
        return EventSubscription(hub: self, number: number, isResumed: resumeAt != nil)
    }

    /// Subscribes from the newest `count` events on; where fewer are stored, from the first of them.
    package func subscribe(last count: Int) throws -> EventSubscription {
        guard count > 0, let bounds = try store.eventBounds(of: log) else { return try subscribe() }
        return try subscribe(afterID: max(bounds.lowerBound - 1, bounds.upperBound - Int64(count)))
    }

    /// Queues those events of the hub's log for every subscriber; numbered ones must be in the store already.
    ///
    /// Each is rendered once for all of them, and not at all where there is none.
    package func publish(_ events: [RecordedEvent]) {
        let skipsRepeated = state.withLock { !$0.wantsRepeated }
        let events = events.filter { $0.kind.log == log && !($0.isRepeated && skipsRepeated) }
        guard !events.isEmpty, state.withLock({ !$0.skips(events) }) else { return }
        let rendered = events.map(rendered)
        let turn = state.withLock { state in
            state.publish(rendered)
            return state.turn
        }
        if let turn {
            turn.yield()
        } else {
            resume(state.withLock { $0.takeWaiters() })
        }
    }

    /// Wakes readers in turns until it is cancelled; without it each event wakes all of them at once.
    ///
    /// Waking a thousand readers for each of two hundred events a second is more than the machine can do, and keeps it from
    /// everything else. Many readers therefore wait a little for more to come; few are woken at once.
    package func pace(_ clock: any Clock<Duration>) async {
        let (turns, turn) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        state.withLock { $0.turn = turn }
        for await _ in turns {
            let (waiters, count) = state.withLock { ($0.takeWaiters(), $0.subscribers.count) }
            resume(waiters)
            let rest = Self.restPerSubscriber * count
            if rest >= Self.leastRest, (try? await clock.sleep(for: rest)) == nil { break }
        }
        let waiters = state.withLock { state in
            state.turn = nil
            return state.takeWaiters()
        }
        resume(waiters)
    }

    /// Between two turns, for each subscriber: what a thousand wait is less than half of the 100 ms they are promised.
    private static let restPerSubscriber = Duration.microseconds(40)
    /// Less is not worth waiting for.
    private static let leastRest = Duration.milliseconds(5)

    private func rendered(_ event: RecordedEvent) -> StreamEvent {
        StreamEvent(
            id: event.id,
            kind: event.kind,
            instanceID: event.instanceID,
            payload: render(event),
            isRepeated: event.isRepeated
        )
    }

    /// Sends one last event to everyone and ends all streams after it; new subscribers may come again at once.
    package func shutdown(at time: Date) {
        let last = rendered(RecordedEvent(time: time, .shutdown))
        let waiters = state.withLock { state in
            state.shutdown(last)
            return state.takeWaiters()
        }
        resume(waiters)
    }

    private func resume(_ waiters: [CheckedContinuation<Void, Never>]) {
        for waiter in waiters { waiter.resume() }
    }
}

// MARK: - One subscriber's side

extension EventHub {
    func next(for number: Int, limit: Int) async throws(EventSubscription.Cut) -> [StreamEvent]? {
        while true {
            switch state.withLock({ $0.take(number, limit: limit) }) {
            case .events(let events):
                return events
            case .end:
                return nil
            case .cut:
                throw EventSubscription.Cut()
            case .fetch(let after):
                // A store that cannot be read now may be read when the client comes back.
                let page = try? await store.events(after: after, limit: EventHub.pageSize, in: log).map(rendered)
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

    func poke(_ number: Int) {
        state.withLock { $0.poke(number) }?.resume()
    }

    func end(_ number: Int) {
        state.withLock { $0.remove(number) }?.resume()
    }
}
