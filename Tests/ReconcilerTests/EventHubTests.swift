import Config
import GRDB
import Synchronization
import TestSupport
import Testing
import Tunnel

@testable import Reconciler

@Suite("Event hub", .timeLimit(.minutes(1)))
struct EventHubTests {
    let directory: TemporaryDirectory
    let store: StateStore
    let hub: EventHub

    init() throws {
        directory = try TemporaryDirectory()
        store = try StateStore.open(directory: directory.path, now: epoch)
        hub = try EventHub(store: store, renderer: Self.text)
    }

    /// The alias, where an event has one, else its kind and instance.
    private static func text(_ event: RecordedEvent) -> String {
        guard case .instance(let kind, let instance) = event.content else { return event.kind.rawValue }
        return instance.labels.alias.isEmpty ? "\(kind.rawValue) \(instance.id)" : instance.labels.alias
    }

    /// As the hub has it for its subscribers.
    func rendered(_ event: RecordedEvent) -> StreamEvent {
        StreamEvent(id: event.id, kind: event.kind, instanceID: event.instanceID, payload: Self.text(event))
    }

    /// Stores and publishes events as a pass does.
    @discardableResult
    func emit(_ events: [(StreamEvent.Kind, InstanceID)]) throws -> [StreamEvent] {
        let saved = try store.save(events: events.map { try event($0, $1) })
        hub.publish(saved)
        return saved.map(rendered)
    }

    func report(_ id: InstanceID, _ text: String) throws -> RecordedEvent {
        try event(.update, id, alias: text)
    }

    /// Everything up to and with the end, which `shutdown` brings.
    func rest(of subscription: EventSubscription) async throws -> [StreamEvent] {
        hub.shutdown(at: epoch)
        var events: [StreamEvent] = []
        for try await event in subscription { events.append(event) }
        #expect(events.popLast()?.kind == .shutdown)
        return events
    }

    @Test("every subscriber gets what is published after it came, in order, and a goodbye")
    func fanOut() async throws {
        try emit([(.create, "a")])
        let first = try hub.subscribe()
        let second = try hub.subscribe()
        let saved = try emit([(.update, "a"), (.delete, "a")])
        hub.shutdown(at: epoch)
        for subscription in [first, second] {
            var events: [StreamEvent] = []
            for try await event in subscription { events.append(event) }
            #expect(events.dropLast() == saved[...])
            #expect(events.last?.payload == "shutdown")
        }
        #expect(!first.isResumed)
    }

    @Test("a waiting reader is woken by an event")
    func waiting() async throws {
        let subscription = try hub.subscribe()
        let reader = Task { try await subscription.first { _ in true } }
        try emit([(.create, "a")])
        #expect(try await reader.value?.kind == .create)
    }

    @Test("a batch is all that waits, reports last, and no more than its limit")
    func batches() async throws {
        let subscription = try hub.subscribe()
        hub.publish([try report("a", "report")])
        let saved = try emit((0..<EventHub.batchLimit + 1).map { _ in (.update, "b") })
        #expect(try await subscription.nextBatch() == Array(saved.dropLast()))
        #expect(try await subscription.nextBatch() == saved.suffix(1) + [rendered(try report("a", "report"))])
        let large = String(repeating: "x", count: EventHub.batchBytes)
        hub.publish(try ["c", "d"].map { try report($0, large) })
        #expect(try await subscription.nextBatch() == [rendered(try report("c", large))])
        #expect(try await subscription.nextBatch() == [rendered(try report("d", large))])
    }

    @Test("a poke gives a reader nothing, once, and takes nothing from it")
    func poke() async throws {
        let subscription = try hub.subscribe()
        let reader = Task { try await subscription.nextBatch() }
        subscription.poke()
        #expect(try await reader.value == [])
        subscription.poke()
        let saved = try emit([(.create, "a")])
        #expect(try await subscription.nextBatch() == saved)
        let other = Task { try await subscription.nextBatch() }
        let next = try emit([(.delete, "a")])
        #expect(try await other.value == next)
        hub.shutdown(at: epoch)
        #expect(try await subscription.nextBatch()?.map(\.kind) == [.shutdown])
        #expect(try await subscription.nextBatch() == nil)
    }

    @Test("few readers are woken by each event; many wait between two turns, and none longer than one")
    func pace() async throws {
        let clock = ManualClock()
        let pacing = Task { await hub.pace(clock) }
        while hub.state.withLock({ $0.turn == nil }) { await Task.yield() }
        let few = try hub.subscribe()
        for _ in 0..<3 {
            let saved = try emit([(.update, "a")])
            #expect(try await few.nextBatch() == saved)
        }
        let many = try (0..<500).map { _ in try hub.subscribe() }
        let first = try emit([(.update, "b")])
        await clock.sleepers(1)
        let end = hub.lastID + 1
        let reader = Task { try await drain(few, until: end) }
        let second = try emit([(.update, "c")])
        clock.advance(by: .milliseconds(20))
        #expect(try await reader.value == first + second)
        pacing.cancel()
        await pacing.value
        let last = try emit([(.delete, "a")])
        #expect(try await few.nextBatch() == last)
        _ = many
    }

    @Test("a cancelled reader returns")
    func cancelled() async throws {
        let subscription = try hub.subscribe()
        let reader = Task { try await subscription.first { _ in true } }
        reader.cancel()
        #expect(try await reader.value == nil)
    }

    @Test("a client that resumes gets exactly what it missed, then what is new")
    func replay() async throws {
        let missed = try emit((0..<600).map { _ in (.update, "a") })
        let subscription = try hub.subscribe(afterID: 100)
        #expect(subscription.isResumed)
        var iterator = subscription.makeAsyncIterator()
        for expected in missed.dropFirst(100) {
            #expect(try await iterator.next() == expected)
        }
        let fresh = try emit([(.delete, "a")])
        #expect(try await iterator.next() == fresh[0])
    }

    @Test(
        "an id the log no longer (or does not yet) hold is told apart",
        arguments: [
            (Int64(0), true), (3, true), (4, false), (99, false), (-1, false),
        ]
    )
    func tooOld(_ id: Int64, _ isResumed: Bool) async throws {
        try emit([(.create, "a"), (.update, "a"), (.update, "a")])
        #expect(try hub.subscribe(afterID: id).isResumed == isResumed)
    }

    @Test("readers that resume have the store's events rendered once for all of them, and what nobody hears not at all")
    func rendersOnce() async throws {
        let count = Mutex(0)
        let hub = try EventHub(store: store) { event in
            count.withLock { $0 += 1 }
            return Self.text(event)
        }
        let saved = try store.save(events: (0..<50).map { _ in try event(.update, "a") })
        hub.publish(saved)
        #expect(count.withLock { $0 } == 0)
        for _ in 0..<3 {
            let subscription = try hub.subscribe(afterID: 40)
            #expect(try await subscription.nextBatch() == saved.suffix(10).map(rendered))
        }
        #expect(count.withLock { $0 } == 10)
        let others = try [hub.subscribe(), hub.subscribe(), hub.subscribe(afterID: 45)]
        let next = try store.save(events: [try event(.delete, "a")])
        hub.publish(next)
        for other in others { #expect(try await other.nextBatch()?.last == next.map(rendered).last) }
        #expect(count.withLock { $0 } == 11)
    }

    @Test("numbers go on where the log was, also where all its events are gone")
    func emptiedLog() async throws {
        let last = try #require(try emit([(.create, "a"), (.update, "a")]).last?.id)
        try store.write { try $0.execute(sql: "DELETE FROM instance_event") }
        let again = try EventHub(store: store, renderer: Self.text)
        #expect(again.lastID == last)
        #expect(try !again.subscribe(afterID: last).isResumed)
        #expect(try store.save(events: [try event(.update, "a")]).first?.id == last + 1)
    }

    @Test("a slow reader loses no create or delete; updates of an instance fold into the last")
    func slowReader() async throws {
        let subscription = try hub.subscribe()
        try emit([(.create, "a")])
        for _ in 0..<(EventHub.queueLimit / 2) { try emit([(.update, "a"), (.update, "b"), (.update, "c")]) }
        try emit([(.delete, "a"), (.create, "z")])
        let events = try await drain(subscription, until: hub.lastID)
        #expect(events.first?.kind == .create)
        #expect(events.suffix(2).map(\.payload) == ["delete a", "create z"])
        #expect(events.filter { $0.kind == .update }.count < EventHub.queueLimit / 4)
        #expect(events.compactMap(\.id) == events.compactMap(\.id).sorted())
    }

    /// Reads until the event with this id has come.
    func drain(_ subscription: EventSubscription, until id: Int64) async throws -> [StreamEvent] {
        var events: [StreamEvent] = []
        for try await event in subscription {
            events.append(event)
            if event.id == id { break }
        }
        return events
    }

    @Test("a reader so slow that the log left it behind is cut")
    func hopeless() async throws {
        let subscription = try hub.subscribe()
        try emit((0..<(StateStore.eventLimit + 2 * StateStore.pruneInterval)).map { _ in (.update, "a") })
        await #expect(throws: EventSubscription.Cut.self) {
            for try await _ in subscription {}
        }
    }

    @Test("reports fold per instance, and never follow a newer event")
    func reports() async throws {
        let subscription = try hub.subscribe()
        hub.publish([try report("a", "old"), try report("b", "kept")])
        hub.publish([try report("a", "new")])
        try emit([(.update, "c")])
        hub.publish([try report("c", "after")])
        hub.publish([try report("d", "stale")])
        try emit([(.delete, "d")])
        var iterator = subscription.makeAsyncIterator()
        for expected in ["update c", "delete d", "new", "kept", "after"] {
            #expect(try await iterator.next()?.payload == expected)
        }
    }

    @Test("nothing follows the goodbye, not even a report that waited")
    func goodbye() async throws {
        let subscription = try hub.subscribe()
        hub.publish([try report("a", "late")])
        let saved = try emit([(.update, "b")])
        #expect(try await rest(of: subscription) == saved)
    }

    @Test("there is a limit to subscribers, and leaving makes room")
    func limit() throws {
        var all = try (0..<EventHub.subscriberLimit).map { _ in try hub.subscribe() }
        #expect(throws: EventHub.TooManySubscribers.self) { try hub.subscribe() }
        all.removeLast()
        #expect(throws: Never.self) { try hub.subscribe() }
        #expect(hub.subscriberCount == EventHub.subscriberLimit - 1)
        all.removeAll()
        #expect(!hub.hasSubscribers)
    }
}
