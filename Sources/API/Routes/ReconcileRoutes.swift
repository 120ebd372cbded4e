import Config
import HTTPTypes
import Hummingbird
import Reconciler
import Tunnel

/// `/reconcile`: how far the daemon has come with what the manifest asks for, and the request to come further.
struct ReconcileRoutes: Sendable {
    let reconciler: TunnelReconciler
    /// Nil for a daemon without a manifest.
    let watcher: ManifestWatcher?

    var resources: [Resource] {
        [
            Resource(
                path: "/reconcile",
                tag: .manifest,
                access: .key,
                operations: [readOperation, reconcileOperation]
            ),
            Resource(
                path: "/reconcile/events",
                tag: .events,
                access: .key,
                operations: [
                    Operation(
                        method: .get,
                        id: "streamReconcile",
                        summary: "Follow what the reconciler does and why (SSE)",
                        parameters: Operation.QueryField.resuming + [.tail],
                        answers: [
                            .init(
                                status: 200,
                                text: "`plan`, `apply`, `reject`, `override`, `release` and `drift` events",
                                events: Self.events
                            ),
                            .badRequest,
                            .tooManyStreams,
                        ],
                        handler: stream
                    )
                ]
            ),
        ]
    }

    private static let events: [Operation.Event] = [
        .init(name: "plan", schema: "PlanEvent"), .init(name: "apply", schema: "ApplyEvent"),
        .init(name: "reject", schema: "RejectEvent"), .init(name: "override", schema: "OverrideEvent"),
        .init(name: "release", schema: "ReleaseEvent"), .init(name: "drift", schema: "DriftEvent"),
        .init(name: "shutdown", schema: "InstanceEvent", isNumbered: false),
    ]

    private var readOperation: Operation {
        Operation(
            method: .get,
            id: "getReconcile",
            summary: "Observed and applied revision, the last pass, tunnels' phases, a rejection if any",
            answers: [.init(status: 200, text: "The state", schema: Schema.reference("Reconcile"))]
        ) { _, _ in .json(await view()) }
    }

    private var reconcileOperation: Operation {
        Operation(
            method: .post,
            id: "reconcile",
            summary: "Read the manifest again, apply it, and answer what became of each tunnel",
            parameters: [
                .init(
                    name: "wait",
                    text: "How long to wait until every tunnel runs or has failed; at most 5 minutes",
                    schema: Schema.duration
                ),
                .init(
                    name: "dryRun",
                    text: "Answer how things stand without reading the manifest again",
                    schema: Schema.boolean
                ),
            ],
            answers: [
                .init(status: 200, text: "Every tunnel is as it should be", schema: Schema.reference("Outcome")),
                .init(status: 207, text: "Some have failed, or are not there yet", schema: Schema.reference("Outcome")),
                .badRequest,
                .rejected,
            ],
            handler: reconcile
        )
    }

    // MARK: Doing it

    private func reconcile(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let wait = try request.duration("wait") ?? .zero
        if try !request.isDryRun { await watcher?.reread() }
        if let rejection = await reconciler.status().rejection { throw APIError.rejected(rejection.diagnostics) }
        let tunnels = await reconciler.settled(within: min(wait, APILimits.reconcileWait))
        let status = await reconciler.status()
        let behind = tunnels.count { $0.outcome == .failed || $0.outcome == .pending }
        let body = JSONValue.object([
            "revision": .string(status.appliedRevision),
            "behind": .int(Int64(behind)),
            "invalid": .array(status.invalid.map(JSONValue.string)),
            "tunnels": .array(tunnels.map(outcome)),
        ])
        return .json(body, status: behind == 0 && status.invalid.isEmpty ? .ok : .multiStatus)
    }

    private func outcome(_ applied: AppliedInstance) -> JSONValue {
        let instance = applied.instance
        return .object([
            "id": .string(instance.id),
            "name": instance.name.map(JSONValue.string) ?? .null,
            "alias": .string(instance.labels.alias),
            "revision": .string(instance.revision),
            "outcome": .string(applied.outcome.rawValue),
            "phase": .string(instance.phase.rawValue),
            "reason": .string(instance.status?.reason?.rawValue ?? ""),
            "message": .string(InstanceView.message(instance)),
        ])
    }

    // MARK: Telling

    private func stream(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let notices = reconciler.notices
        let subscription =
            if let id = try request.lastEventID {
                try notices.subscribe(afterID: id)
            } else {
                try notices.subscribe(last: try request.noticeTail)
            }
        return EventStream.response(subscription, opening: EventView.greeting, request)
    }

    private func view() async -> JSONValue {
        let status = await reconciler.status()
        let tunnels = await reconciler.instances()
        let milliseconds = status.passDuration / .milliseconds(1)
        return .object([
            "ready": .bool(reconciler.isReady),
            "observed": .string(status.observedRevision),
            "applied": .string(status.appliedRevision),
            "lastPass": status.lastPass.map { .string(RFC3339.text($0)) } ?? .null,
            "passMilliseconds": .double((milliseconds * 1000).rounded() / 1000),
            "passes": .int(Int64(status.passes)),
            "actions": .int(Int64(status.actions)),
            "rejections": .int(Int64(status.rejections)),
            "rejection": status.rejection.map(\.view) ?? .null,
            "diagnostics": .array(status.diagnostics.map(\.json)),
            "invalid": .array(status.invalid.map(JSONValue.string)),
            "overridden": .int(Int64(await reconciler.overriddenCount)),
            "failing": .int(Int64(tunnels.count { $0.phase.isFailing })),
            "storage": status.storageProblem.map { .string($0.description) } ?? .null,
            "tunnels": .array(tunnels.map(tunnel)),
        ])
    }

    private func tunnel(_ instance: Instance) -> JSONValue {
        .object([
            "id": .string(instance.id),
            "name": instance.name.map(JSONValue.string) ?? .null,
            "revision": .string(instance.revision),
            "phase": .string(instance.phase.rawValue),
            "reason": .string(instance.status?.reason?.rawValue ?? ""),
            "message": .string(InstanceView.message(instance)),
            "overridden": .bool(instance.override != nil),
        ])
    }
}

extension ReconcileStatus.Rejection {
    var view: JSONValue {
        .object([
            "time": .string(RFC3339.text(time)),
            "diagnostics": .array(diagnostics.map(\.json)),
        ])
    }
}

extension Request {
    fileprivate var noticeTail: Int {
        get throws(APIError) {
            guard let text = query("tail") else { return 0 }
            guard let count = Int(text), (0...APILimits.noticeTail).contains(count) else {
                throw .outside("tail", 0...APILimits.noticeTail)
            }
            return count
        }
    }
}

extension Operation.QueryField {
    fileprivate static let tail = Operation.QueryField(
        name: "tail",
        text: "Begin with so many of the newest events, where no event is named to go on after",
        schema: .object(["type": "integer", "minimum": 0, "maximum": .int(Int64(APILimits.noticeTail)), "default": 0])
    )
}
