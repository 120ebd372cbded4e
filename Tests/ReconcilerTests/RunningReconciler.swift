import Config
import FoundationEssentials
import Logging
import Reconciler
import Synchronization
import TestSupport
import Testing
import Tunnel

/// A reconciler on a fake host, with a subscriber from before its first pass.
final class RunningReconciler: Sendable {
    let store: StateStore
    let hub: EventHub
    let host: FakeHost
    let clock = ManualClock()
    let wall: WallClock
    let reconciler: TunnelReconciler
    let events: EventSubscription
    let run: Task<Void, any Error>
    /// Kept for as long as the state in it is used.
    private let directory: TemporaryDirectory

    init(
        directory: TemporaryDirectory,
        host: FakeHost = FakeHost(),
        expectsManifest: Bool = false,
        logger: Logger = .silent
    ) throws {
        let store = try StateStore.open(directory: directory.file("state"), now: epoch)
        let wall = WallClock()
        let settings = ReconcilerSettings(
            expectsManifest: expectsManifest,
            clock: clock,
            now: { wall.now },
            logger: logger
        )
        let parts = try TestReconciler(store: store, host: host, settings: settings, render: \.words)
        self.directory = directory
        self.store = store
        self.host = host
        self.wall = wall
        hub = parts.streams.instances
        events = try hub.subscribe()
        let reconciler = parts.reconciler
        self.reconciler = reconciler
        run = Task { try await reconciler.run() }
    }

    deinit {
        run.cancel()
    }

    /// The next payloads of a stream.
    func next(_ count: Int, of stream: EventSubscription) async throws -> [String] {
        var payloads: [String] = []
        var iterator = stream.makeAsyncIterator()
        while payloads.count < count, let event = try await iterator.next() { payloads.append(event.payload) }
        return payloads
    }

    /// The next events' payloads.
    func next(_ count: Int) async throws -> [String] {
        try await next(count, of: events)
    }

    /// As SIGTERM does; the store is free again when this and the daemon are gone.
    func stop() async throws {
        run.cancel()
        try await run.value
    }

    @discardableResult
    func create(_ alias: String, port: Int, _ query: String = "mode=1") async throws -> Instance {
        let request = CreateRequest(
            tunnel: try CheckedTunnel(url: clientURL(port, query)),
            labels: TunnelLabels(alias: alias),
            by: "test"
        )
        return try await reconciler.create(request)
    }
}

extension RecordedEvent {
    /// What a test compares.
    var words: String {
        switch content {
        case .instance(_, let instance), .logLine(let instance, _):
            "\(kind.rawValue) \(instance.name ?? instance.labels.alias) \(instance.phase.rawValue)"
        case .notice(let notice): [kind.rawValue, notice.subject?.name ?? "-", notice.words].joined(separator: " ")
        case .shutdown: "shutdown - "
        }
    }
}

extension ReconcileNotice {
    var words: String {
        switch self {
        case .plan(let digest, _), .apply(let digest, _, _):
            digest.counts.map { "\($0.value) \($0.key.rawValue)" }.sorted().joined(separator: ", ")
        case .reject(_, let first): first.first?.code ?? ""
        case .override(_, let override): override.running.map { $0 ? "running" : "stopped" } ?? "other"
        case .release(_, let cause, let author, _): "\(cause.rawValue) \(author)"
        case .request(_, let change, let author, _): "\(change.rawValue) \(author)"
        case .problem(_, let kind, _, let isResolved): "\(kind.rawValue) \(isResolved)"
        case .drift(_, let phase, let reason, _, let isResolved):
            "\(phase.rawValue) \(reason?.rawValue ?? "-") \(isResolved)"
        }
    }
}

/// The time of day, as a test sets it.
final class WallClock: Sendable {
    private let time = Mutex(epoch)
    var now: Date { time.withLock { $0 } }

    func advance(by seconds: Double) {
        time.withLock { $0 = $0.addingTimeInterval(seconds) }
    }
}

extension RunningReconciler {
    /// Returns when a pass that began after this call has ended.
    func settled() async throws {
        let before = await reconciler.status().passes
        // Two: the first may have been under way.
        while await reconciler.status().passes < before + 2 {
            reconciler.wake()
            await Task.yield()
        }
    }
}
