package import Config
package import FoundationEssentials
package import Tunnel

/// Questions about what is and what would be; nothing here changes anything.
extension TunnelReconciler {
    /// The stream of instance events.
    package nonisolated var hub: EventHub { streams.instances }
    /// The stream of the reconciler's own notices.
    package nonisolated var notices: EventHub { streams.notices }
    package nonisolated var logs: LogBook { streams.logs }

    // MARK: Instances

    /// Declared instances by name, then created ones by id; without those that an override has deleted.
    package func instances() -> [Instance] {
        let actual = host.snapshot()
        return state.ordered.map { $0.instance(status: actual[$0.id], traffic: total($0.id, actual[$0.id])) }
    }

    /// Deleted tunnels whose connections may still finish, by id.
    package func leaving() -> [LeavingInstance] {
        host.leaving().sorted { $0.key < $1.key }.map { LeavingInstance(state.records[$0.key], $0.key, $0.value) }
    }

    package func instance(_ id: InstanceID) -> Instance? {
        guard let desired = state.desired[id] else { return nil }
        let status = host.status(of: id)
        return desired.instance(status: status, traffic: total(id, status))
    }

    package func details(of id: InstanceID) async throws -> InstanceDetails? {
        guard let instance = instance(id) else { return nil }
        return InstanceDetails(
            instance: instance,
            fields: state.fields(of: instance),
            problems: problems(of: instance),
            events: try await store.lastEvents(of: id, limit: InstanceDetails.eventLimit, in: .instances),
            notices: try await store.lastEvents(of: id, limit: InstanceDetails.eventLimit, in: .reconciler)
        )
    }

    /// The newest notices since a time, about one tunnel or about all; oldest first.
    package func notices(since start: Date, about tunnel: String?, limit: Int) async throws -> [RecordedEvent] {
        // A name may belong to a tunnel that is gone, so the notices themselves say whom they are about.
        let read = tunnel == nil ? limit : Self.searchedNotices
        let events = try await store.events(since: start, limit: read, in: .reconciler)
        guard let tunnel else { return events }
        let about = events.filter { event in
            guard case .notice(let notice) = event.content, let subject = notice.subject else { return false }
            return subject.name == tunnel || subject.id == tunnel || subject.alias == tunnel
        }
        return about.suffix(limit)
    }

    /// Notices that a question about one tunnel looks through.
    private static let searchedNotices = 10_000

    private func problems(of instance: Instance) -> [Problem] {
        let now = settings.now()
        let others = Problem.all(of: progress, state, now: now).filter { $0.id == instance.id }
        return (Problem.all(of: instance, now: now) + others).sorted(by: Problem.precedes)
    }

    /// What one tunnel did, step by step, during the last `window`; nil for an unknown instance.
    package func history(
        of id: InstanceID,
        window: Duration
    ) async throws -> (resolution: HistoryResolution, samples: [HistorySample])? {
        guard let record = state.records[id] else { return nil }
        let seconds = window.components.seconds
        let resolution = HistoryResolution(windowSeconds: seconds)
        // A sample that is taken up to half a second after the end of a step is of that step.
        let start = max(
            Int64(settings.now().timeIntervalSince1970) - seconds,
            Int64(record.createdAt.timeIntervalSince1970) - 1
        )
        return (resolution, try await store.history(of: id, after: start, in: resolution))
    }

    /// What all tunnels moved during the last `window`.
    package func historyOverview(window: Duration) async throws -> HistoryOverview {
        let now = Int64(settings.now().timeIntervalSince1970)
        return try await store.historyOverview(after: now - window.components.seconds)
    }

    // MARK: Problems

    /// Everything that keeps users, or the next edit, from being served; urgent ones first.
    package func problems() -> [Problem] {
        let now = settings.now()
        let actual = host.snapshot()
        let suspects = state.desired.values.filter { Problem.mayHave($0, actual[$0.id]) }
        let tunnels = suspects.flatMap { desired in
            Problem.all(of: desired.instance(status: actual[desired.id], traffic: Traffic()), now: now)
        }
        let others = Problem.all(of: progress, state, now: now) + settings.surroundings(now)
        return (tunnels + others).sorted(by: Problem.precedes)
    }

    // MARK: The manifest

    package func status() -> ReconcileStatus { progress }

    /// What this reading would do; nil for one that is rejected.
    package func plan(_ reading: ManifestReading) -> PlanReport? {
        guard reading.manifest != nil else { return nil }
        let after = state.declaring(reading, prune: settings.prune, now: settings.now())
        return PlanReport(from: state.desired, to: after, actual: host.snapshot())
    }

    /// Names that the manifest declared when it was last read without rejection, before a restart too.
    package var declaredNames: Set<String> { state.declaredNames }

    /// What the manifest says of each tunnel, with the values of its references.
    package var declarationsByName: [String: TunnelDeclaration] {
        Dictionary(state.declarations.values.map { ($0.name, $0) }) { $1 }
    }

    package func declaredLayer() -> DeclaredLayer { DeclaredLayer(state, progress) }

    /// Declared tunnels that are not as the manifest says, those that an override hides among them.
    package var overriddenCount: Int { state.overridden.count }

    /// When the oldest override of what a tunnel does was made; labels do not count.
    package var oldestOverride: Date? {
        state.overridden.map(\.override).filter(\.changesState).map(\.since).min()
    }

    /// The state as a manifest, which changes nothing; with `live` as overrides have made it.
    package func export(live: Bool) -> String { state.export(live: live, now: settings.now()) }

    /// Declared tunnels that an override has deleted.
    package var hidden: [PlanReport.Overridden] { state.overridden.filter(\.override.deleted) }

    // MARK: Waiting

    /// Asks for a pass, and waits until every tunnel is as it should be, has failed, or the time is over.
    package func settled(within limit: Duration) async -> [AppliedInstance] {
        let start = settings.uptime()
        await withDiscardingTaskGroup { group in
            // Every step of a tunnel wakes a pass, and so do the two moments when time alone changes the verdict.
            for moment in [min(AppliedInstance.peerPatience, limit), limit] {
                group.addTask { await self.wake(after: moment) }
            }
            wake()
            await end(of: schedule.current + 1)
            while true {
                let elapsed = settings.uptime() - start
                guard elapsed < limit, hasPending(patience: AppliedInstance.peerPatience - elapsed) else { break }
                await end(of: schedule.current)
            }
            group.cancelAll()
        }
        return instances().map { AppliedInstance($0, patience: .zero) }
    }

    private func hasPending(patience: Duration) -> Bool {
        instances().contains { AppliedInstance($0, patience: patience).outcome == .pending }
    }

    /// Has a pass made, and returns when it has ended, or when there will be none any more.
    package func passOnce() async {
        let next = schedule.current + 1
        wake()
        await end(of: next)
    }

    /// Returns when this pass, or else a later one, has ended.
    func end(of pass: Int) async {
        await withCheckedContinuation { waiter in
            if !schedule.wait(for: pass, waiter) { waiter.resume() }
        }
    }

    private nonisolated func wake(after moment: Duration) async {
        if (try? await settings.clock.sleep(for: moment)) != nil { wake() }
    }
}
