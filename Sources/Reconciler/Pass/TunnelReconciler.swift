package import Config
package import FoundationEssentials
package import Logging
import ServiceLifecycle
import Synchronization
package import Tunnel

/// Renders the JSON of one event: its kind, time, the instance it speaks of, and a log line or "".
package typealias EventRenderer = @Sendable (StreamEvent.Kind, Date, Instance?, _ log: String) -> String

/// Makes the world as it should be: the one place that changes instances, and the only one that tells the host to.
///
/// `run` is a level loop: a wake-up carries no data; each pass compares desired and actual, applies the plan, stores what
/// came of it, and publishes it. Requests (`+Mutations`) are checked and stored before they return; a pass does the rest.
/// `+Pass` is one pass, `+Events` what it tells the world, `+Reports` counters and log lines.
package actor TunnelReconciler: Service {
    private let executor = SerialQueueExecutor(label: "nodepass.reconciler")
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let store: StateStore
    package nonisolated let identity: DaemonIdentity
    let host: any InstanceHost
    package nonisolated let hub: EventHub
    /// The stream of the reconciler's own notices.
    package nonisolated let notices: EventHub
    /// What tunnels said lately; those who follow it are not subscribers of the hub.
    package nonisolated let logs = LogBook()
    package nonisolated let defaults: MasterDefaults
    let render: EventRenderer
    let renderNotice: NoticeRenderer
    let logger: Logger
    let reportInterval: Duration
    let clock: any Clock<Duration>
    /// Time since the start, by `clock`.
    let uptime: @Sendable () -> Duration
    let now: @Sendable () -> Date
    /// False keeps tunnels that leave the manifest, whatever its policy says (`--no-prune`).
    let prune: Bool
    let expectsManifest: Bool

    var state: DesiredState
    /// What the world has been told of each instance.
    var told: [InstanceID: ToldInstance] = [:]
    /// The engine's counters at the moment they were last folded into a record.
    var folded: [InstanceID: Traffic] = [:]
    /// Records that changed in memory (a manifest, an expiry) and go to the store with the next pass.
    var unsaved: Set<InstanceID> = []
    /// Instances whose next pass owes an `update` though nothing a client compares has changed (a reset).
    var owesUpdate: Set<InstanceID> = []
    /// The next pass is told of though it may do nothing.
    var owesReport = false
    /// Notices that are told with the next pass.
    var unsentNotices: [ReconcileNotice] = []
    /// The last report of each running instance: when, and with which counters.
    var reported: [InstanceID: ReportedInstance] = [:]
    /// See `publishLog`.
    var heldLog: [(InstanceID, String)] = []
    var progress = ReconcileStatus()
    var hasDeclared = false
    var isReportDue = false
    /// When an expiry sleep that is under way will end.
    var expiryArmed: Date?
    /// Passes that have begun, and who waits for the end of which.
    private var passesBegun = 0
    private var passWaiters: [(pass: Int, waiter: CheckedContinuation<Void, Never>)] = []
    private var isOver = false

    private nonisolated let ready = Atomic<Bool>(false)
    /// Has no elements and ends when the first pass is done; for one reader.
    package nonisolated let readiness: AsyncStream<Never>
    private nonisolated let readinessEnd: AsyncStream<Never>.Continuation
    private nonisolated let wakeUps: AsyncStream<Void>
    private nonisolated let wakeUp: AsyncStream<Void>.Continuation

    package init(
        store: StateStore,
        identity: DaemonIdentity,
        host: any InstanceHost,
        hub: EventHub,
        defaults: MasterDefaults = MasterDefaults(),
        renderer: @escaping EventRenderer,
        noticeRenderer: @escaping NoticeRenderer,
        logger: Logger,
        expectsManifest: Bool,
        prune: Bool = true,
        reportInterval: Duration = .seconds(5),
        clock: any Clock<Duration> = ContinuousClock(),
        now: @escaping @Sendable () -> Date = { Date() }
    ) throws(StateStoreError) {
        let stored = try store.instances()
        self.store = store
        self.identity = identity
        self.host = host
        self.hub = hub
        notices = try EventHub(store: store, log: .reconciler)
        self.defaults = defaults
        self.render = renderer
        self.renderNotice = noticeRenderer
        self.logger = logger
        self.expectsManifest = expectsManifest
        self.prune = prune
        self.reportInterval = reportInterval
        self.clock = clock
        uptime = Self.uptime(of: clock)
        self.now = now
        var state = DesiredState(records: stored.records)
        try store.save(state.daemonStarted())
        self.state = state
        (readiness, readinessEnd) = AsyncStream.makeStream(of: Never.self)
        (wakeUps, wakeUp) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        for record in stored.records where record.announced {
            told[record.id] = ToldInstance(record: state.records[record.id] ?? record)
        }
        for (id, problem) in stored.unusable.sorted(by: { $0.key < $1.key }) {
            logger.error("stored instance left aside", metadata: ["tunnel": "\(id)", "reason": "\(problem)"])
        }
        wakeUp.yield()
    }

    // MARK: Loop

    /// Reconciles until graceful shutdown or cancellation, then says goodbye to subscribers and keeps the counters.
    package func run() async throws {
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { [host] in
                    for await _ in host.changes { self.wake() }
                }
                group.addTask { await self.tick() }
                for hub in [hub, notices] { group.addTask { [clock] in await hub.pace(clock) } }
                for await _ in wakeUps {
                    passesBegun += 1
                    await pass()
                    release(waitingFor: passesBegun)
                    if let expiry = nextExpiryToArm() {
                        group.addTask { await self.sleep(until: expiry) }
                    }
                }
                group.cancelAll()
            }
        } onCancelOrGracefulShutdown: { [wakeUp] in
            wakeUp.finish()
        }
        finish()
    }

    /// Asks for a pass; any number of calls before it starts are one.
    package nonisolated func wake() {
        wakeUp.yield()
    }

    /// True once the first pass is done, with a manifest (good or rejected) where one is expected.
    package nonisolated var isReady: Bool { ready.load(ordering: .acquiring) }

    func becomeReady() {
        ready.store(true, ordering: .releasing)
        readinessEnd.finish()
    }

    private nonisolated func tick() async {
        while (try? await clock.sleep(for: reportInterval)) != nil {
            await reportDue()
        }
    }

    private func reportDue() {
        isReportDue = true
        wake()
    }

    /// The next expiry, when no sleep under way ends in time for it.
    private func nextExpiryToArm() -> Date? {
        guard let next = state.nextExpiry else { return nil }
        if let armed = expiryArmed, armed <= next, armed > now() { return nil }
        expiryArmed = next
        return next
    }

    private nonisolated func sleep(until expiry: Date) async {
        let left = max(0, expiry.timeIntervalSince(now()))
        if (try? await clock.sleep(for: .seconds(left))) != nil { await expiryDue() }
    }

    /// Disarms first: a sleep that ended a little early by the wall clock is armed again by the pass.
    private func expiryDue() {
        expiryArmed = nil
        wake()
    }

    private static func uptime(of clock: some Clock<Duration>) -> @Sendable () -> Duration {
        let start = clock.now
        return { start.duration(to: clock.now) }
    }

    /// Returns when a pass that begins after this call has ended.
    func nextPass() async {
        wake()
        await end(of: passesBegun + 1)
    }

    /// Returns when the pass under way, or else the next one, has ended.
    func passEnd() async {
        await end(of: passesBegun)
    }

    private func end(of pass: Int) async {
        await withCheckedContinuation { waiter in
            if isOver { return waiter.resume() }
            passWaiters.append((pass, waiter))
        }
    }

    private func release(waitingFor pass: Int) {
        for entry in passWaiters where entry.pass <= pass { entry.waiter.resume() }
        passWaiters.removeAll { $0.pass <= pass }
    }

    private func finish() {
        isOver = true
        release(waitingFor: .max)
        foldTraffic(host.snapshot())
        endStreams()
        logger.info("reconciler stopped")
    }

    /// Says goodbye to every subscriber of either stream, and to those who follow a log.
    package nonisolated func endStreams() {
        let payload = render(.shutdown, now(), nil, "")
        hub.shutdown(payload: payload)
        notices.shutdown(payload: payload)
        logs.endFollowing()
    }

    // MARK: Reading

    /// Declared instances by name, then created ones by id; those an override has deleted are not there.
    package func instances() -> [Instance] {
        let actual = host.snapshot()
        return state.ordered.map { $0.instance(status: actual[$0.id], traffic: total($0.id, actual[$0.id])) }
    }

    package func instance(_ id: InstanceID) -> Instance? {
        guard let desired = state.desired[id] else { return nil }
        let status = host.status(of: id)
        return desired.instance(status: status, traffic: total(id, status))
    }

    package func status() -> ReconcileStatus { progress }

    // MARK: Declaring

    /// Takes a reading of the manifest; one that was rejected changes nothing but the status.
    package func declare(_ reading: ManifestReading) {
        hasDeclared = true
        guard let manifest = reading.manifest else {
            progress.rejections += 1
            progress.rejection = ReconcileStatus.Rejection(time: now(), diagnostics: reading.diagnostics)
            note(.reject(reading.diagnostics))
            logger.error(
                "manifest rejected, the last good one stays",
                metadata: ["reason": "\(reading.diagnostics.first { $0.severity == .error }?.description ?? "")"]
            )
            return wake()
        }
        let outcome = state.declare(reading, prune: prune, now: now())
        unsaved.formUnion(outcome.changed.map(\.id))
        // Who was told of a rejection is told of its end, also when the files are as they were before.
        if progress.rejection != nil { owesReport = true }
        progress.rejection = nil
        progress.diagnostics = reading.diagnostics
        progress.invalid = outcome.invalid
        progress.observedRevision = manifest.revision
        progress.files = reading.files
        log(outcome, revision: manifest.revision)
        wake()
    }

    private func log(_ outcome: DeclareOutcome, revision: String) {
        logger.info("manifest read", metadata: ["revision": "\(revision)", "changed": "\(outcome.changed.count)"])
        for id in outcome.overtaken {
            logger.info("override ended, its declaration was edited", metadata: ["tunnel": "\(label(id))"])
            note(.release(subject(id), .edit, by: "manifest"))
        }
        for id in outcome.adopted { logger.info("instance adopted", metadata: ["tunnel": "\(label(id))"]) }
        for id in outcome.orphaned {
            logger.info("declaration gone, tunnel kept", metadata: ["tunnel": "\(label(id))"])
        }
        for name in outcome.invalid {
            logger.error("declaration invalid, the last good one stays", metadata: ["tunnel": "\(name)"])
        }
    }

    /// Has a notice told with the next pass.
    func note(_ notice: ReconcileNotice) {
        guard unsentNotices.count < Self.unsentNoticeLimit else { return }
        unsentNotices.append(notice)
    }

    /// Notices that wait for a store that refuses writes; more are dropped, the log has them.
    static let unsentNoticeLimit = 256

    func subject(_ id: InstanceID) -> ReconcileNotice.Subject {
        ReconcileNotice.Subject(id: id, name: label(id))
    }

    /// How logs call an instance: its name, or its id.
    func label(_ id: InstanceID) -> String {
        state.records[id]?.name ?? id
    }
}
