package import Config
import FoundationEssentials
import Logging
import ServiceLifecycle
package import Tunnel

/// Brings the tunnels to the state they should have: the one place that changes instances and calls the host.
///
/// `run` is a level loop: a wake-up carries no data. Each pass compares desired and actual, applies the plan, stores
/// what came of it, and publishes it. Requests (`+Requests`) are checked and stored before they return, and a pass does
/// the rest. Decisions are made in values: what should be in ``DesiredState``, the steps in ``ReconcilePlan``, the
/// events in ``Settlement``; the actor holds them, calls the host and the store, and nothing else.
package actor TunnelReconciler: Service {
    private let executor = SerialQueueExecutor(label: "nodepass.reconciler")
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let store: StateStore
    package nonisolated let host: any InstanceHost
    let settings: ReconcilerSettings
    package nonisolated let streams: EventStreams
    private nonisolated let wakeUps = WakeUps()

    private(set) var state: DesiredState
    private(set) var progress = ReconcileStatus()
    private var outbox = Outbox()
    private var announcements: Announcements
    private var traffic = TrafficLedger()
    private var reportRound = ReportRound()
    private var problemWatch = ProblemWatch()
    var schedule: PassSchedule

    package init(
        store: StateStore,
        host: any InstanceHost,
        streams: EventStreams,
        settings: ReconcilerSettings
    ) throws(StateStoreError) {
        self.store = store
        self.host = host
        self.streams = streams
        self.settings = settings
        schedule = PassSchedule(expectsManifest: settings.expectsManifest)
        let stored = try store.instances()
        var state = DesiredState(records: stored.records)
        try store.save(state.daemonStarted())
        self.state = state
        announcements = Announcements(records: stored.records.compactMap { state.records[$0.id] })
        for (id, problem) in stored.unusable.sorted(by: { $0.key < $1.key }) {
            settings.logger.error("stored instance skipped", metadata: ["tunnel": "\(id)", "reason": "\(problem)"])
        }
        wakeUps.wake()
    }

    // MARK: Loop

    /// Reconciles until graceful shutdown or cancellation, then ends the streams and keeps the counters.
    package func run() async throws {
        await withTaskCancellationOrGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { [host] in
                    for await _ in host.changes { self.wake() }
                }
                group.addTask { await self.tick() }
                for hub in [streams.instances, streams.notices] {
                    group.addTask { [settings] in await hub.pace(settings.clock) }
                }
                for await _ in wakeUps.stream {
                    schedule.begin()
                    await pass()
                    for waiter in schedule.end() { waiter.resume() }
                    if let expiry = schedule.armExpiry(state.nextExpiry, now: settings.now()) {
                        group.addTask { await self.sleep(until: expiry) }
                    }
                }
                // Who waits for a pass would wait forever.
                for waiter in schedule.finish() { waiter.resume() }
                group.cancelAll()
            }
        } onCancelOrGracefulShutdown: { [wakeUps] in
            wakeUps.finish()
        }
        finish()
    }

    /// Asks for a pass; any number of calls before it starts are one.
    package nonisolated func wake() { wakeUps.wake() }

    /// What a URL that a request sends is completed with.
    package nonisolated var defaults: MasterDefaults { settings.defaults }

    /// True once the first pass is done, with a manifest (good or rejected) where one is expected.
    package nonisolated var isReady: Bool { wakeUps.isReady }

    /// Has no elements and ends when the first pass is done; for one reader.
    package nonisolated var readiness: AsyncStream<Never> { wakeUps.readiness }

    private nonisolated func tick() async {
        while (try? await settings.clock.sleep(for: await reportPause)) != nil { await reportDue() }
    }

    private var reportPause: Duration { reportRound.pause(settings.reportInterval) }

    /// Returns when the pass that reports has ended.
    private func reportDue() async {
        schedule.reportDue()
        wake()
        await end(of: schedule.current + 1)
    }

    private nonisolated func sleep(until expiry: Date) async {
        let left = max(0, expiry.timeIntervalSince(settings.now()))
        if (try? await settings.clock.sleep(for: .seconds(left))) != nil { await expiryDue() }
    }

    private func expiryDue() {
        schedule.expiryDue()
        wake()
    }

    private func finish() {
        for waiter in schedule.finish() { waiter.resume() }
        foldTraffic(counted)
        endStreams()
        settings.logger.info("reconciler stopped")
    }

    /// Puts what has been counted so far on disk.
    package func saveCounters() {
        foldTraffic(counted)
    }

    /// Ends every stream of events and of log lines; those who follow them may come again at once.
    package nonisolated func endStreams() {
        streams.end(at: settings.now())
    }

    // MARK: Pass

    /// Reads desired and actual, applies the plan, stores what came of it, then publishes it.
    private func pass() async {
        guard schedule.mayReconcile else { return }
        let revision = state.manifestRevision
        let start = settings.uptime()
        expireOverrides()
        let actual = host.snapshot()
        let plan = ReconcilePlan(desired: Array(state.desired.values), actual: actual)
        let isReported = outbox.takePassReport() || !plan.isEmpty
        // Made before the plan is applied: it compares with what clients know and what runs now.
        let report = isReported ? PlanReport(plan, from: announcements.lastForms, to: state, actual: actual) : nil
        await apply(plan)
        if let report {
            outbox.add(.plan(report.digest, revision: revision), at: settings.now())
            outbox.add(.apply(report.counts, revision: revision, failing: failing(report)), at: settings.now())
        }
        lookForProblems()
        guard settle() else { return }
        progress.appliedRevision = revision
        progress.lastPass = settings.now()
        if !plan.isEmpty { progress.lastApply = settings.now() }
        progress.passes += 1
        progress.actions += plan.stages.reduce(0) { $0 + $1.count }
        if schedule.takeReport() { reportTraffic() }
        progress.passDuration = settings.uptime() - start
        wakeUps.becomeReady()
    }

    private func expireOverrides() {
        for record in state.expireOverrides(now: settings.now()) {
            outbox.addRecords([record.id])
            outbox.add(.release(state.subject(record.id), .expiry, by: .expiry, note: nil), at: settings.now())
            settings.logger.info("override expired", metadata: ["tunnel": "\(state.label(record.id))"])
        }
    }

    private func apply(_ plan: ReconcilePlan) async {
        for stage in plan.stages {
            for action in stage { settings.logger.info(action, naming: state.label(action.id)) }
            // What the host counted for an instance that it is about to forget.
            let forgotten = stage.filter(\.forgets).map(\.id)
            if !forgotten.isEmpty { foldTraffic(host.snapshot().filter { forgotten.contains($0.key) }) }
            await ReconcilePlan.perform(stage, on: host)
            let leaving = host.leaving()
            for id in forgotten where leaving[id] == nil { traffic.forget(id) }
            forgetPeers(of: forgotten)
        }
    }

    /// A deleted declaration keeps its record, which would keep its peer.
    private func forgetPeers(of ids: [InstanceID]) {
        guard !ids.isEmpty else { return }
        do throws(StateStoreError) {
            try store.forgetPeers(of: ids)
        } catch {
            settings.logger.error("peers of deleted tunnels not forgotten", metadata: ["reason": "\(error)"])
        }
    }

    private func lookForProblems() {
        for change in problemWatch.take(problems(), now: settings.now()) {
            outbox.add(.problem(change), at: settings.now())
            settings.logger.log(change)
        }
    }

    private func failing(_ report: PlanReport) -> [String] {
        let failing = report.steps.filter { host.status(of: $0.id)?.phase.isFailing ?? false }
        return failing.prefix(ReconcileNotice.itemLimit).map(\.label)
    }

    /// Stores changed records and new events in one transaction, then publishes the events; false when the store
    /// refused.
    private func settle() -> Bool {
        let inputs = Settlement.Inputs(
            state: state,
            actual: host.snapshot(),
            leaving: Set(host.leaving().keys),
            traffic: traffic,
            now: settings.now()
        )
        let settlement = Settlement(of: inputs, announcements: announcements, outbox: outbox)
        for (id, step) in settlement.steps { settings.logger.log(step, naming: state.label(id)) }
        do throws(StateStoreError) {
            let events = try store.save(
                settlement.records.values.sorted { $0.id < $1.id },
                removing: settlement.removed,
                events: settlement.events
            )
            keep(settlement)
            streams.publish(events)
            for line in announcements.takeHeldLines() { publishLog(line.id, line.text) }
            return true
        } catch {
            if progress.storageProblem != error {
                settings.logger.error("state not stored, trying again", metadata: ["reason": "\(error)"])
            }
            progress.storageFailed(error, at: settings.now())
            return false
        }
    }

    private func keep(_ settlement: Settlement) {
        progress.storageWorks()
        for record in settlement.records.values { state.put(record) }
        for id in settlement.removed {
            state.forget(id)
            streams.logs.forget(id)
        }
        if !settlement.removed.isEmpty { traffic.prune(to: state.records) }
        for id in settlement.ended { streams.logs.endFollowing(id) }
        announcements = settlement.announcements
        outbox.empty()
    }

    /// What messages of other tunnels call it; a new alias changes nothing that a pass would apply.
    private func label(_ record: InstanceRecord) {
        if let label = DesiredInstance(record)?.label { host.label(record.id, label) }
    }

    // MARK: Traffic and log lines

    /// Keeps changed totals and, where somebody listens, sends figures; those beyond the limit follow.
    private func reportTraffic() {
        let actual = host.snapshot()
        if reportRound.isOver { foldTraffic(counted) }
        guard streams.instances.hasSubscribers else {
            reportRound.end()
            return announcements.forgetReports()
        }
        let time = settings.now()
        if reportRound.isOver { reportRound.begin(actual.keys) }
        var round = reportRound
        streams.publish(round.batch { id in actual[id].flatMap { report($0, of: id, at: time) } })
        reportRound = round
    }

    /// The figures of a running instance, and of a failing one where they have changed.
    private func report(_ status: TunnelStatus, of id: InstanceID, at time: Date) -> RecordedEvent? {
        guard let desired = state.desired[id], announcements[id] != nil else { return nil }
        let isNew = announcements.reports(status, of: id, at: time)
        guard isNew || !status.isDown && !status.phase.isFailing else { return nil }
        let instance = desired.instance(status: status, traffic: total(id, status))
        return RecordedEvent(time: time, isRepeated: !isNew, .instance(.update, InstanceSnapshot(instance)))
    }

    /// Keeps one line of an instance's log and passes `text`, its form for people, on to those who listen to events.
    ///
    /// The last lines of an instance that has just been forgotten are lost.
    package func publishLog(_ line: TunnelLogLine, as text: String) {
        if state.records[line.id] != nil { streams.logs.append(line) }
        publishLog(line.id, text)
    }

    /// Passes one line of an instance's log on to those who listen now; it is not stored.
    ///
    /// A new instance's first lines wait for its `create`.
    package func publishLog(_ id: InstanceID, _ line: String) {
        guard streams.instances.hasSubscribers, let instance = instance(id) else { return }
        guard announcements.admits(line, of: id) else { return }
        streams.publish([RecordedEvent(time: settings.now(), .logLine(InstanceSnapshot(instance), line))])
    }

    /// What is stored, and what the host counted since.
    func total(_ id: InstanceID, _ status: TunnelStatus?) -> Traffic {
        traffic.total(id, stored: state.records[id]?.traffic ?? Traffic(), status)
    }

    /// Everything that counts at present.
    private var counted: [InstanceID: TunnelStatus] {
        host.leaving().merging(host.snapshot()) { _, running in running }
    }

    /// Adds what the host counted to the stored totals; when the store refuses, it is added later.
    private func foldTraffic(_ actual: [InstanceID: TunnelStatus]) {
        let changes = traffic.changes(in: state.records, actual)
        do throws(StateStoreError) {
            try store.saveTraffic(changes)
        } catch {
            progress.storageFailed(error, at: settings.now())
            return
        }
        for (id, total) in changes {
            traffic.fold(id, actual[id])
            state.setTraffic(total, of: id)
        }
    }

    // MARK: Changes from outside

    /// Takes a reading of the manifest; one that was rejected changes nothing but the status.
    ///
    /// `isConfirmed`: someone wants it, however much it deletes. `keepsMissing`: it may be half of what is to come, and
    /// tunnels that it lacks stay as they are.
    package func declare(_ reading: ManifestReading, isConfirmed: Bool = false, keepsMissing: Bool = false) {
        schedule.declared()
        let isSafe = isConfirmed || keepsMissing
        let objection = isSafe ? nil : DeleteGuard.problem(reading, in: state, prune: settings.prune)
        if let manifest = reading.manifest, objection == nil {
            let outcome = state.declare(
                reading,
                prune: settings.prune,
                keepsMissing: keepsMissing,
                now: settings.now()
            )
            outbox.addRecords(outcome.changed.map(\.id))
            // Clients that know of a rejection learn of its end, also when the files are as they were before.
            if progress.rejection != nil { outbox.reportPass() }
            progress.accept(reading, manifest, invalid: outcome.invalid, at: settings.now())
            for notice in outcome.notices(state) { outbox.add(notice, at: settings.now()) }
            for record in outcome.changed { label(record) }
            settings.logger.info(outcome, of: reading, revision: manifest.revision, naming: state.label)
        } else {
            reject(reading.diagnostics + (objection.map { [$0] } ?? []))
        }
        wake()
    }

    private func reject(_ diagnostics: [Diagnostic]) {
        let isKnown = progress.rejection?.diagnostics == diagnostics
        progress.reject(diagnostics, at: settings.now())
        // A file that is looked at again and again says the same again and again.
        guard !isKnown else { return }
        outbox.add(.reject(diagnostics), at: settings.now())
        // After a restart the last good one is what the state has of it.
        let isInUse = !state.manifestRevision.isEmpty || !state.declaredNames.isEmpty
        settings.logger.error(
            isInUse ? "manifest rejected, the last good one stays" : "manifest rejected, no manifest is in use",
            metadata: ["reason": "\(diagnostics.first { $0.severity == .error }?.description ?? "")"]
        )
    }

    /// Stores the record that a request leads to, with the notice of it; a pass does the rest.
    ///
    /// `resets`: the counters begin anew.
    func commit(_ record: InstanceRecord, _ notice: ReconcileNotice?, resets: Bool) throws(StateStoreError) {
        let events = notice.map { [RecordedEvent(time: settings.now(), .notice($0))] } ?? []
        do {
            streams.publish(try store.save([record], events: events))
            progress.storageWorks()
        } catch {
            // Known at once, and not only when a pass has something to write.
            progress.storageFailed(error, at: settings.now())
            wake()
            throw error
        }
        label(record)
        if resets {
            traffic.fold(record.id, host.status(of: record.id))
            outbox.addUpdate(record.id)
        }
        state.put(record)
        outbox.removeRecord(record.id)
        wake()
    }
}
