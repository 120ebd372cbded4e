import DequeModule
import Tunnel

/// The hub's decisions, without locks and clocks.
struct EventHubState {
    struct Subscriber {
        enum Source {
            /// Gets what is published.
            case live
            /// Reads the store from after this id; `folding` because it was too slow, not because it asked to.
            case store(after: Int64, folding: Bool)
        }

        var source: Source
        let reports: EventReports
        var queue: Deque<StreamEvent> = []
        /// The newest report of each instance that waits behind the queue.
        var waitingReports: [InstanceID: StreamEvent] = [:]
        var reportOrder: Deque<InstanceID> = []
        /// Id of the last numbered event that was handed out or skipped knowingly.
        var cursor: Int64
        var isEnding = false
        var isCut = false
        /// The next call of its reader returns at once, be it with nothing.
        var isPoked = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    enum Step {
        /// Empty for a reader that was poked.
        case events([StreamEvent])
        case fetch(after: Int64)
        case wait
        case end
        case cut
    }

    private(set) var subscribers: [Int: Subscriber] = [:]
    /// Asks for the next turn of ``EventHub/pace(_:)``; nil while that does not run.
    var turn: AsyncStream<Void>.Continuation?
    private(set) var lastID: Int64
    private var recent = RecentEvents()
    private var nextNumber = 0

    init(lastID: Int64) {
        self.lastID = lastID
    }

    /// Whether anybody wants reports of figures that have not changed.
    var wantsRepeated: Bool { subscribers.values.contains { $0.reports == .all } }

    mutating func add(
        resumingAfter id: Int64?,
        reports: EventReports = .all
    ) throws(EventHub.TooManySubscribers) -> Int {
        guard subscribers.count < EventHub.subscriberLimit else { throw EventHub.TooManySubscribers() }
        nextNumber += 1
        if let id {
            subscribers[nextNumber] = Subscriber(
                source: .store(after: id, folding: false),
                reports: reports,
                cursor: id
            )
        } else {
            subscribers[nextNumber] = Subscriber(source: .live, reports: reports, cursor: lastID)
        }
        return nextNumber
    }

    mutating func remove(_ number: Int) -> CheckedContinuation<Void, Never>? {
        subscribers.removeValue(forKey: number)?.waiter
    }

    /// True where there is no subscriber to get these events: they need not be rendered, only their last
    /// id is noted.
    mutating func skips(_ events: [RecordedEvent]) -> Bool {
        guard subscribers.isEmpty else { return false }
        if let last = events.last(where: { $0.id != nil })?.id {
            lastID = last
            recent.removeAll()
        }
        return true
    }

    mutating func publish(_ events: [StreamEvent]) {
        lastID = events.last { $0.id != nil }?.id ?? lastID
        recent.append(events)
        for index in subscribers.values.indices {
            for event in events { subscribers.values[index].accept(event) }
        }
    }

    mutating func shutdown(_ last: StreamEvent) {
        for index in subscribers.values.indices { subscribers.values[index].end(with: last) }
    }

    /// Readers that wait and have something to get; they count as woken.
    mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
        subscribers.values.indices.compactMap { index in
            guard let waiter = subscribers.values[index].waiter, !subscribers.values[index].isIdle else { return nil }
            subscribers.values[index].waiter = nil
            return waiter
        }
    }

    mutating func park(_ number: Int, _ waiter: CheckedContinuation<Void, Never>, isCancelled: Bool) -> Bool {
        guard !isCancelled, let subscriber = subscribers[number], subscriber.isIdle else { return true }
        subscribers[number]?.waiter = waiter
        return false
    }

    mutating func unpark(_ number: Int) -> CheckedContinuation<Void, Never>? {
        defer { subscribers[number]?.waiter = nil }
        return subscribers[number]?.waiter
    }

    mutating func poke(_ number: Int) -> CheckedContinuation<Void, Never>? {
        subscribers[number]?.isPoked = true
        return unpark(number)
    }

    mutating func take(_ number: Int, limit: Int) -> Step {
        let step = subscribers[number]?.take(limit: limit, lastID: lastID) ?? .end
        guard case .fetch(let after) = step, let page = recent.page(after: after, limit: EventHub.pageSize) else {
            return step
        }
        subscribers[number]?.fill(after: after, with: page, lastID: lastID)
        return subscribers[number]?.take(limit: limit, lastID: lastID) ?? .end
    }

    /// `page` is nil where the store could not be read.
    mutating func fill(_ number: Int, after id: Int64, with page: [StreamEvent]?) {
        if let page { recent.prepend(page, lastID: lastID) }
        subscribers[number]?.fill(after: id, with: page, lastID: lastID)
    }
}

extension EventHubState.Subscriber {
    mutating func accept(_ event: StreamEvent) {
        guard !isEnding, case .live = source, !event.isRepeated || reports == .all else { return }
        switch (event.id, event.kind, event.instanceID) {
        case (nil, .update, let id?):
            if waitingReports.updateValue(event, forKey: id) == nil { reportOrder.append(id) }
        case (nil, _, _):
            if queue.count < EventHub.queueLimit { queue.append(event) }
        case (_?, _, let instance):
            // A report of before this event would show the past after the present.
            if let instance { waitingReports[instance] = nil }
            queue.append(event)
            if queue.count > EventHub.queueLimit { fallBehind() }
        }
    }

    mutating func end(with last: StreamEvent) {
        endReports()
        queue.append(last)
        source = .live
        isEnding = true
    }

    /// No report may follow the last event, and no old report what is read again from the store.
    private mutating func endReports() {
        waitingReports.removeAll()
        reportOrder.removeAll()
    }

    /// Gives up the queue and reads on from the store, which has every numbered event.
    private mutating func fallBehind() {
        queue.removeAll()
        endReports()
        source = .store(after: cursor, folding: true)
    }

    var isIdle: Bool {
        guard queue.isEmpty, reportOrder.isEmpty, !isEnding, !isCut, !isPoked, case .live = source else { return false }
        return true
    }

    /// Everything that waits, up to `limit` events or a batch's bytes; reports come after all else.
    mutating func take(limit: Int, lastID: Int64) -> EventHubState.Step {
        if isCut { return .cut }
        var batch = EventBatch(limit: limit)
        while batch.hasRoom, let event = queue.popFirst() {
            cursor = event.id ?? cursor
            batch.append(event)
        }
        if case .store(let after, _) = source, queue.isEmpty {
            if after < lastID { return batch.events.isEmpty ? .fetch(after: after) : .events(batch.events) }
            source = .live
        }
        while batch.hasRoom, queue.isEmpty, let instance = reportOrder.popFirst() {
            if let report = waitingReports.removeValue(forKey: instance) { batch.append(report) }
        }
        if batch.events.isEmpty, !isPoked { return isEnding ? .end : .wait }
        isPoked = false
        return .events(batch.events)
    }

    mutating func fill(after id: Int64, with page: [StreamEvent]?, lastID: Int64) {
        guard case .store(let after, let folding) = source, after == id else { return }
        // Ids have no gaps: where one is missing, the log was pruned past this reader.
        guard let page, page.first?.id == id + 1, let newest = page.last?.id else {
            isCut = true
            return
        }
        queue.append(contentsOf: folding ? page.foldingUpdates : page)
        source = .store(after: newest, folding: folding)
    }
}

/// Events that are handed out together.
private struct EventBatch {
    private(set) var events: [StreamEvent] = []
    private let limit: Int
    private var bytes = 0

    init(limit: Int) {
        self.limit = limit
    }

    var hasRoom: Bool { events.count < limit && bytes < EventHub.batchBytes }

    mutating func append(_ event: StreamEvent) {
        events.append(event)
        bytes += event.payload.utf8.count
    }
}

extension [StreamEvent] {
    /// Without every `update` that a later one of the same instance replaces; `create` and `delete` all stay.
    var foldingUpdates: [StreamEvent] {
        var replaced: Set<InstanceID> = []
        var kept: [StreamEvent] = []
        for event in reversed() {
            guard let instance = event.instanceID else {
                kept.append(event)
                continue
            }
            if event.kind != .update {
                replaced.remove(instance)
            } else if !replaced.insert(instance).inserted {
                continue
            }
            kept.append(event)
        }
        return kept.reversed()
    }
}
