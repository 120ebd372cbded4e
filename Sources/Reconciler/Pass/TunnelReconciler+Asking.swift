package import Config
import FoundationEssentials
package import Tunnel

/// What became of one tunnel after a reconcile was asked for.
package struct AppliedInstance: Sendable, Hashable {
    package enum Outcome: String, Sendable, Hashable, CaseIterable {
        /// It runs, or is stopped, as it should be.
        case applied
        /// It is as it should be, and looks for its other end.
        case waiting
        /// It has not got there in the time that was given.
        case pending
        case failed
    }

    package let instance: Instance
    package let outcome: Outcome
}

/// Everything one tunnel has to tell: for `describe`.
package struct InstanceStory: Sendable {
    package let instance: Instance
    /// Its keys, with the place of each that stands in a manifest.
    package let fields: [(field: ShownField, source: SourceLocation?)]
    /// The newest of both logs, oldest first.
    package let events: [StreamEvent]
    package let notices: [StreamEvent]
}

/// The declared layer as it was last read without rejection.
package struct DeclaredLayer: Sendable {
    package struct Tunnel: Sendable {
        package let id: InstanceID
        package let name: String
        package let source: SourceLocation?
        package let revision: String
        package let running: Bool
        /// False while an edit of it has errors and this is its last good form.
        package let isValid: Bool
        package let fields: [(field: ShownField, source: SourceLocation?)]
    }

    package let policy: ManifestPolicy
    package let status: ReconcileStatus
    package let tunnels: [Tunnel]
    package let overridden: [PlanReport.Overridden]
}

/// Questions about what is and what would be; nothing here changes anything.
extension TunnelReconciler {
    /// Events of each log that `story` tells.
    private static let storyLimit = 10
    /// How long a tunnel may look for its other end before a reconcile that waits calls it `waiting`.
    private static let peerPatience = Duration.seconds(3)

    /// What this reading would do; nil for one that is rejected.
    package func plan(_ reading: ManifestReading) -> PlanReport? {
        guard reading.manifest != nil else { return nil }
        let after = state.declaring(reading, prune: prune, now: now())
        return PlanReport(from: state.desired, to: after, actual: host.snapshot())
    }

    /// What one tunnel did, step by step, during the last `window`; nil for an unknown instance.
    package func history(
        of id: InstanceID,
        window: Duration
    ) async throws -> (resolution: HistoryResolution, samples: [HistorySample])? {
        guard let record = state.records[id] else { return nil }
        let seconds = window.components.seconds
        let resolution = HistoryResolution(windowSeconds: seconds)
        let start = max(
            Int64(now().timeIntervalSince1970) - seconds,
            Int64(record.createdAt.timeIntervalSince1970)
        )
        return (resolution, try await store.history(of: id, after: start, in: resolution))
    }

    /// What all tunnels moved during the last `window`.
    package func historyOverview(window: Duration) async throws -> HistoryOverview {
        try await store.historyOverview(after: Int64(now().timeIntervalSince1970) - window.components.seconds)
    }

    package func story(of id: InstanceID) async throws -> InstanceStory? {
        guard let instance = instance(id) else { return nil }
        return InstanceStory(
            instance: instance,
            fields: fields(of: instance),
            events: try await store.lastEvents(of: id, limit: Self.storyLimit, in: .instances),
            notices: try await store.lastEvents(of: id, limit: Self.storyLimit, in: .reconciler)
        )
    }

    /// A key that an override has changed stands nowhere in a manifest.
    private func fields(of instance: Instance) -> [(field: ShownField, source: SourceLocation?)] {
        let declaration = state.declarations[instance.id]
        let overridden = Set(declaration?.content.changes(to: instance.content).map(\.path) ?? [])
        let places = declaration?.fieldSources ?? [:]
        let shown = instance.content.shownFields(naming: Set(places.keys), secretPaths: instance.secretPaths)
        return shown.map { ($0, overridden.contains($0.path) ? nil : places[$0.path]) }
    }

    package func declaredLayer() -> DeclaredLayer {
        let declared = state.records.values.filter { $0.isLive && $0.origin == .manifest }
        let tunnels = declared.sorted { ($0.name ?? "") < ($1.name ?? "") }.map { record in
            let content = state.declarations[record.id]?.content ?? record.declaredContent
            let places = state.declarations[record.id]?.fieldSources ?? [:]
            let shown = content.shownFields(naming: Set(places.keys), secretPaths: record.secretPaths)
            return DeclaredLayer.Tunnel(
                id: record.id,
                name: record.name ?? record.id,
                source: record.source,
                revision: record.revision,
                running: record.running,
                isValid: !progress.invalid.contains(record.name ?? ""),
                fields: shown.map { ($0, places[$0.path]) }
            )
        }
        return DeclaredLayer(policy: state.policy, status: progress, tunnels: tunnels, overridden: state.overridden)
    }

    /// Declared tunnels that are not as the manifest says, those that an override hides among them.
    package var overriddenCount: Int { state.overridden.count }

    /// The live state as a manifest: starting with it changes nothing.
    package func export() -> String {
        state.export(now: now())
    }

    /// Asks for a pass, and waits until every tunnel is as it should be, has failed, or the time is over.
    package func settled(within limit: Duration) async -> [AppliedInstance] {
        let start = uptime()
        await withDiscardingTaskGroup { group in
            // Every step of a tunnel wakes a pass, and so do the two moments when time alone changes the verdict.
            for moment in [min(Self.peerPatience, limit), limit] {
                group.addTask { await self.wake(after: moment) }
            }
            await nextPass()
            while uptime() - start < limit, hasPending(patience: Self.peerPatience - (uptime() - start)) {
                await passEnd()
            }
            group.cancelAll()
        }
        return instances().map { AppliedInstance(instance: $0, outcome: $0.outcome(patience: .zero)) }
    }

    private func hasPending(patience: Duration) -> Bool {
        instances().contains { $0.outcome(patience: patience) == .pending }
    }

    private nonisolated func wake(after moment: Duration) async {
        if (try? await clock.sleep(for: moment)) != nil { wake() }
    }
}

extension Instance {
    var content: TunnelContent { TunnelContent(spec: spec, labels: labels, running: shouldRun) }

    /// `patience`: how much longer a tunnel that looks for its other end is waited for.
    fileprivate func outcome(patience: Duration) -> AppliedInstance.Outcome {
        switch phase {
        case .ready: .applied
        case .draining, .stopping, .stopped: shouldRun ? .pending : .applied
        case .backoff, .failed: .failed
        case .connecting: patience > .zero ? .pending : .waiting
        case .starting: .pending
        }
    }
}

extension InstanceRecord {
    /// The declaration alone, without what stands over it.
    var declaredContent: TunnelContent { TunnelContent(spec: spec, labels: visibleLabels, running: running) }
}
