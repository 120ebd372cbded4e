import Config
import FoundationEssentials
import Logging
import Tunnel

extension TunnelReconciler {
    /// Steps of one stage that run at a time; each may wait for a bind or a name.
    private static let applyLimit = 16

    /// Reads desired and actual, applies the plan, stores what came of it, then publishes it.
    func pass() async {
        guard hasDeclared || !expectsManifest else { return }
        let revision = state.manifestRevision
        let start = uptime()
        expireOverrides()
        let actual = host.snapshot()
        let plan = ReconcilePlan(desired: Array(state.desired.values), actual: actual)
        let isTold = !plan.isEmpty || owesReport
        owesReport = false
        let report = isTold ? PlanReport(plan, from: toldInstances, to: state, actual: actual) : nil
        await apply(plan)
        if let report {
            note(.plan(report, revision: revision))
            note(.apply(report, revision: revision, failing: failing(report)))
        }
        guard settle() else { return }
        progress.appliedRevision = revision
        progress.lastPass = now()
        progress.passes += 1
        progress.actions += plan.stages.reduce(0) { $0 + $1.count }
        if isReportDue { self.report() }
        progress.passDuration = uptime() - start
        becomeReady()
    }

    private func failing(_ report: PlanReport) -> [String] {
        report.steps.filter { host.status(of: $0.id)?.phase.isFailing ?? false }.map(\.label)
    }

    /// What the world was last told of each instance, which is what a plan starts from.
    private var toldInstances: [InstanceID: DesiredInstance] {
        told.compactMapValues(\.last)
    }

    private func expireOverrides() {
        for record in state.expireOverrides(now: now()) {
            unsaved.insert(record.id)
            note(.release(subject(record.id), .expiry, by: "expiry"))
            logger.info("override expired", metadata: ["tunnel": "\(label(record.id))"])
        }
    }

    private func apply(_ plan: ReconcilePlan) async {
        for stage in plan.stages {
            for action in stage { log(action) }
            // What the host counted for an instance it is about to forget.
            if stage.contains(where: \.forgets) { foldTraffic(host.snapshot(), only: Set(stage.map(\.id))) }
            await withTaskGroup(of: Void.self) { [host] group in
                for (index, action) in stage.enumerated() {
                    if index >= TunnelReconciler.applyLimit { await group.next() }
                    group.addTask { await action.perform(on: host) }
                }
            }
            for action in stage where action.forgets { folded[action.id] = nil }
        }
    }

    private func log(_ action: ReconcilePlan.Action) {
        let name = Logger.MetadataValue.string(label(action.id))
        switch action {
        case .remove: logger.info("removing tunnel", metadata: ["tunnel": name])
        case .stop: logger.info("stopping tunnel", metadata: ["tunnel": name])
        case .run(let desired, let reason, _):
            logger.info(
                "applying tunnel",
                metadata: ["tunnel": name, "revision": "\(desired.revision)", "reason": "\(reason)"]
            )
        }
    }
}

extension ReconcilePlan.Action {
    fileprivate var forgets: Bool {
        if case .remove = self { return true }
        return false
    }

    fileprivate func perform(on host: any InstanceHost) async {
        switch self {
        case .remove(let id):
            await host.remove(id)
        case .stop(let id):
            await host.stop(id)
        case .run(let desired, _, let releaseFirst):
            await host.run(desired.id, spec: desired.spec, generation: desired.generation, releaseFirst: releaseFirst)
        }
    }
}
