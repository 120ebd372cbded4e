import Config
import FoundationEssentials
import HTTPTypes
import Hummingbird
import Reconciler
import Tunnel

/// `GET /metrics`: what Prometheus scrapes, in its text format 0.0.4.
struct MetricsRoutes: Sendable {
    let reconciler: TunnelReconciler
    let facts: DaemonFacts
    let descriptors: DescriptorBudget
    let listening: ListenerBoard
    /// Nil for an API without TLS.
    let credentials: ServerCredentials?

    static let type = "text/plain; version=0.0.4; charset=utf-8"

    var resources: [Resource] {
        [
            Resource(
                path: "/metrics",
                tag: .pages,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "metrics",
                        summary: "Figures of tunnels, reconciler and process for Prometheus",
                        role: .metrics,
                        answers: [.init(status: 200, text: "Prometheus text", type: "text/plain")]
                    ) { _, _ in .text(await text(), type: Self.type) }
                ]
            )
        ]
    }

    private func text() async -> String {
        let instances = await reconciler.instances()
        let leaving = await reconciler.leaving()
        let status = await reconciler.status()
        let streams = reconciler.hub.subscriberCount + reconciler.notices.subscriberCount
        let overridden = await reconciler.overriddenCount
        let problems = await reconciler.problems()
        let oldest = await reconciler.oldestOverride
        return
            (TunnelMetrics.families(instances, leaving: leaving)
            + [TunnelMetrics.invalid(instances, names: status.invalidNames)]
            + trouble(problems, status, oldestOverride: oldest)
            + reconcile(status, instances, overridden, streams: streams)
            + process() + budget()).map(\.text).joined()
    }

    private func reconcile(
        _ status: ReconcileStatus,
        _ instances: [Instance],
        _ overridden: Int,
        streams: Int
    ) -> [MetricFamily] {
        [
            .counter("nodepass_reconcile_passes_total", "Reconcile passes since the start.", status.passes),
            .counter(
                "nodepass_reconcile_actions_total",
                "Steps of all reconcile plans since the start.",
                status.actions
            ),
            .gauge("nodepass_reconcile_pass_seconds", "Duration of the last pass.", status.passDuration / .seconds(1)),
            .counter("nodepass_manifest_rejections_total", "Manifests rejected since the start.", status.rejections),
            .gauge(
                "nodepass_manifest_rejected",
                "1 while the manifest on disk is rejected and the last good one runs.",
                status.rejection == nil ? 0 : 1
            ),
            .gauge("nodepass_manifest_invalid_tunnels", "Declarations with errors.", Double(status.invalid.count)),
            .gauge(
                "nodepass_tunnels_overridden",
                "Declared tunnels that an override changes.",
                Double(overridden)
            ),
            .gauge(
                "nodepass_tunnels_failing",
                "Tunnels that should run and cannot.",
                Double(instances.count { $0.phase.isFailing })
            ),
            .gauge(
                "nodepass_storage_failing",
                "1 while the store refuses writes.",
                status.storageProblem == nil ? 0 : 1
            ),
            .gauge(
                "nodepass_api_listening",
                "1 while the API listens on TCP; 0 while its address is taken or not there.",
                listening.problem == nil ? 1 : 0
            ),
            .gauge("nodepass_event_subscribers", "Open event streams.", Double(streams)),
        ]
    }

    private func trouble(
        _ problems: [Problem],
        _ status: ReconcileStatus,
        oldestOverride: Date?
    ) -> [MetricFamily] {
        let certificate = credentials?.current().certificate
        return [
            MetricFamily(
                "nodepass_problems",
                "gauge",
                "Problems by kind, as `nodepass status` lists them.",
                Problem.Kind.allCases.map { kind in
                    .init(labels: [("kind", kind.rawValue)], value: Double(problems.count { $0.kind == kind }))
                }
            ),
            .gauge(
                "nodepass_oldest_override_seconds",
                "Age of the oldest override of what a tunnel does; 0 without one.",
                oldestOverride.map { max(0, Date().timeIntervalSince($0)) } ?? 0
            ),
            .gauge(
                "nodepass_reconcile_last_apply_timestamp_seconds",
                "When a pass last changed something, since the epoch; 0 before.",
                status.lastApply?.timeIntervalSince1970.rounded() ?? 0
            ),
            MetricFamily(
                "nodepass_api_certificate_expiry_timestamp_seconds",
                "gauge",
                "When the API's certificate expires, since the epoch; missing without TLS.",
                [certificate].compactMap(\.self).map {
                    .init(labels: [], value: $0.notAfter.timeIntervalSince1970.rounded())
                }
            ),
        ]
    }

    private func budget() -> [MetricFamily] {
        let (plan, figures) = (descriptors.plan, descriptors.figures)
        let uses = [("tunnels", plan.tunnels), ("users", plan.users), ("api", plan.api)]
        return [
            MetricFamily(
                "nodepass_descriptors_budget",
                "gauge",
                "File descriptors that all tunnels may hold, how far users may fill that, and the API's connections.",
                uses.map { .init(labels: [("use", $0)], value: Double($1)) }
            ),
            .gauge("nodepass_descriptors_taken", "File descriptors that tunnels hold.", Double(figures.taken)),
            .counter(
                "nodepass_users_refused_total",
                "Users refused because no file descriptor was free, since the start.",
                figures.refused
            ),
        ]
    }

    private func process() -> [MetricFamily] {
        let process = ProcessReadings.now
        let uptime = (ContinuousClock.now - facts.started) / .seconds(1)
        return [
            MetricFamily(
                "nodepass_build_info",
                "gauge",
                "The daemon's version.",
                [.init(labels: [("version", Version.build), ("api", Version.api)], value: 1)]
            ),
            .gauge(
                "process_start_time_seconds",
                "Start of the process since the epoch.",
                Date().timeIntervalSince1970 - uptime
            ),
            MetricFamily(
                "process_cpu_seconds_total",
                "counter",
                "User and system time.",
                [.init(labels: [], value: process.cpuSeconds)]
            ),
            .gauge("process_resident_memory_bytes", "Resident memory.", Double(process.residentBytes)),
            .gauge("process_open_fds", "Open file descriptors.", Double(process.openFiles)),
            .gauge("process_max_fds", "File descriptors that may be open.", Double(descriptors.plan.limit)),
        ]
    }
}
