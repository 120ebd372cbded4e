import Config
import HTTPTypes
import Hummingbird
import Reconciler
import Tunnel

/// `/reconcile`: what the daemon has applied of its manifest, and the request to apply it now.
struct ReconcileRoutes: Sendable {
    let reconciler: TunnelReconciler
    /// Nil for a daemon without a manifest.
    let watcher: ManifestWatcher?
    let listening: ListenerBoard

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
                                text:
                                    "`plan`, `apply`, `reject`, `override`, `release`, `request`, `problem` and `drift` events",
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
        .init(name: "plan", schema: NoticeView.Planned.name), .init(name: "apply", schema: NoticeView.Applied.name),
        .init(name: "reject", schema: NoticeView.Rejected.name),
        .init(name: "override", schema: NoticeView.Overridden.name),
        .init(name: "release", schema: NoticeView.Released.name),
        .init(name: "request", schema: NoticeView.Requested.name),
        .init(name: "problem", schema: NoticeView.ProblemChange.name),
        .init(name: "drift", schema: NoticeView.Drift.name),
        .init(name: "shutdown", schema: EventView.name, isNumbered: false),
    ]

    private var readOperation: Operation {
        Operation(
            method: .get,
            id: "getReconcile",
            summary:
                "Read the observed and the applied revision, the last pass, the phases of tunnels, and a rejection if there is one",
            answers: [.init(status: 200, text: "The state", schema: Schema.reference(ReconcileView.self))]
        ) { _, _ in .json(await view()) }
    }

    private var reconcileOperation: Operation {
        Operation(
            method: .post,
            id: "reconcile",
            summary: "Read the manifest again, apply it, and answer with the outcome of each tunnel",
            parameters: [
                .init(
                    name: "wait",
                    text: "How long to wait until every tunnel runs or has failed; at most 5 minutes",
                    schema: Schema.duration
                ),
                .init(
                    name: "confirm",
                    text: "Apply it also when it deletes more tunnels than `policy.maxDeletes` allows",
                    schema: Schema.boolean
                ),
                .init(
                    name: "dryRun",
                    text: "Answer with the present state, without reading the manifest again",
                    schema: Schema.boolean
                ),
            ],
            answers: [
                .init(status: 200, text: "Every tunnel is as declared", schema: Schema.reference(OutcomeView.self)),
                .init(
                    status: 207,
                    text: "Some have failed or are not ready yet",
                    schema: Schema.reference(OutcomeView.self)
                ),
                .badRequest,
                .rejected,
            ],
            handler: reconcile
        )
    }

    // MARK: Doing it

    private func reconcile(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let wait = try request.duration("wait") ?? .zero
        let (isDryRun, isConfirmed) = (try request.isDryRun, try request.flag("confirm"))
        if !isDryRun {
            // A name may have moved, too.
            reconciler.forgetNames()
            await watcher?.reread(isConfirmed: isConfirmed)
        }
        if let rejection = await reconciler.status().rejection { throw APIError.rejected(rejection.diagnostics) }
        let tunnels = await reconciler.settled(within: min(wait, APILimits.reconcileWait))
        let outcome = OutcomeView.Source(status: await reconciler.status(), tunnels: tunnels)
        let isDone = outcome.behind == 0 && outcome.status.invalid.isEmpty
        return .json(OutcomeView.object(outcome), status: isDone ? .ok : .multiStatus)
    }

    // MARK: Telling

    private func stream(_ request: Request, _ context: APIRequestContext) async throws -> Response {
        let notices = reconciler.notices
        let tail = try request.noticeTail
        let subscription =
            if let id = try request.lastEventID {
                try notices.subscribe(afterID: id)
            } else {
                try notices.subscribe(last: tail)
            }
        return EventStream.response(subscription, opening: EventView.greeting, request)
    }

    private func view() async -> JSONValue {
        ReconcileView.object(
            ReconcileView.Source(
                isReady: reconciler.isReady,
                status: await reconciler.status(),
                overridden: await reconciler.overriddenCount,
                instances: await reconciler.instances(),
                leaving: await reconciler.leaving(),
                apiProblem: listening.problem
            )
        )
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
        text: "Begin with this many of the newest events; ignored where the stream resumes after an event",
        schema: .object(["type": "integer", "minimum": 0, "maximum": .int(Int64(APILimits.noticeTail)), "default": 0])
    )
}
