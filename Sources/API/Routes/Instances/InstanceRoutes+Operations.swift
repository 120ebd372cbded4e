import Config
import HTTPTypes

/// What the instance endpoints are called and how they are documented.
extension InstanceRoutes {
    var listOperation: Operation {
        Operation(
            method: .get,
            id: "listInstances",
            summary: "List the tunnels and the API key's row",
            details:
                "The row `********` holds the API key in `url`, the daemon's id in `config`, and the daemon's alias in `alias`.",
            parameters: [.masked],
            answers: [
                .init(
                    status: 200,
                    text: "All instances, by name, then id",
                    schema: Schema.array(Schema.reference("Instance"))
                ),
                .badRequest,
            ],
            handler: list
        )
    }

    var createOperation: Operation {
        Operation(
            method: .post,
            id: "createInstance",
            summary: "Create a tunnel and start it",
            details: "The answer and the `create` event always say `stopped`, even if it runs by then.",
            parameters: [.dryRun],
            body: "InstanceCreation",
            examples: [
                .init(
                    name: "url",
                    text: "By NodePass's one-line form",
                    value: ["url": "client://127.0.0.1:8080/127.0.0.1:9090?mode=1", "alias": "web"]
                ),
                .init(
                    name: "spec",
                    text: "By the keys of a manifest",
                    value: [
                        "spec": [
                            "role": "client", "mode": "single", "tunnel": "127.0.0.1:8080", "target": "127.0.0.1:9090",
                            "limits": ["rate": "100Mbps"],
                        ],
                        "meta": ["tags": ["team": "blue"]],
                    ]
                ),
            ],
            answers: [
                .init(
                    status: 201,
                    text: "Created; it starts in the background",
                    schema: Schema.reference("InstanceAnswer"),
                    headers: [.etag],
                    links: ["getInstance", "patchInstance", "replaceInstance", "deleteInstance", "getInstanceLog"]
                ),
                .badRequest,
                .conflict,
                .unstored,
                .full,
            ],
            handler: create
        )
    }

    var readOperation: Operation {
        Operation(
            method: .get,
            id: "getInstance",
            summary: "Read one tunnel",
            parameters: [.masked],
            answers: [
                .init(
                    status: 200,
                    text: "The instance with its keys and its last events",
                    schema: Schema.reference("InstanceHistoryAnswer"),
                    headers: [.etag]
                ),
                .init(status: 400, text: "The path holds no id", schema: Schema.reference(ErrorView.self)),
                .notFound,
            ],
            handler: read
        )
    }

    var patchOperation: Operation {
        Operation(
            method: .patch,
            id: "patchInstance",
            summary: "Control a tunnel or change its labels; on the API key's row, `restart` makes a new key",
            details:
                "On a declared tunnel this is an override. It lasts until it is released, `ttl` has passed, or the "
                + "declaration changes. On the API key's row everything but `restart` has no effect. The answer shows the "
                + "status before the action.",
            parameters: [.dryRun, .ttl, .ifMatch, .grace],
            body: "InstancePatch",
            examples: [
                .init(name: "stop", text: "Stop it", value: ["action": "stop"]),
                .init(
                    name: "labels",
                    text: "Change what dashboards show",
                    value: ["alias": "web", "meta": ["tags": ["team": "blue"]]]
                ),
            ],
            answers: [.instance, .badRequest, .forbidden, .notFound, .conflict, .stale, .unstored, .full],
            handler: patch
        )
    }

    var replaceOperation: Operation {
        Operation(
            method: .put,
            id: "replaceInstance",
            summary: "Give a tunnel another URL; connections that the change does not affect stay open",
            details: "It runs afterwards, even if it was stopped. On a declared tunnel this is an override.",
            parameters: [.dryRun, .ttl, .ifMatch],
            body: "InstanceReplacement",
            examples: [
                .init(
                    name: "url",
                    text: "Another target",
                    value: ["url": "client://127.0.0.1:8080/127.0.0.1:9091?mode=1"]
                )
            ],
            answers: [.instance, .badRequest, .forbidden, .notFound, .conflict, .stale, .unstored, .full],
            handler: replace
        )
    }

    var deleteOperation: Operation {
        Operation(
            method: .delete,
            id: "deleteInstance",
            summary: "Delete a tunnel; a declared one stays deleted until it is released or its declaration changes",
            details: "Open connections may finish, within the tunnel's `drain`.",
            parameters: [.dryRun, .ttl, .note, .ifMatch],
            answers: [
                .init(status: 204, text: "Deleted"), .badRequest, .forbidden, .notFound, .conflict, .stale, .unstored,
                .full,
            ],
            handler: delete
        )
    }

    var releaseOperation: Operation {
        Operation(
            method: .delete,
            id: "releaseInstance",
            summary: "End a declared tunnel's override: the manifest applies again",
            parameters: [.dryRun, .note, .ifMatch],
            answers: [.instance, .badRequest, .forbidden, .notFound, .conflict, .stale, .unstored, .full],
            handler: release
        )
    }

    var forgetPeerOperation: Operation {
        Operation(
            method: .post,
            id: "forgetPeer",
            summary: "Accept an unsealed peer again, after the other end was replaced by one that is not sealed",
            details:
                "With `handshake: auto`, an end that has found its peer sealed once refuses one that is not "
                + "(`PeerDowngraded`). A tunnel that waits because of that tries again at once. A client in mode single has "
                + "no peer: 409.",
            parameters: [.dryRun, .note],
            answers: [.instance, .badRequest, .forbidden, .notFound, .conflict, .unstored, .full],
            handler: forgetPeer
        )
    }
}

extension Operation.Answer {
    static let instance = Operation.Answer(
        status: 200,
        text: "The instance",
        schema: Schema.reference("InstanceAnswer"),
        headers: [.etag]
    )
    static let badRequest = refusal(400, "The request is wrong; nothing was done")
    static let forbidden = refusal(
        403,
        "The API key's row cannot be changed like this, or the manifest denies overrides"
    )
    static let notFound = refusal(404, "No such instance")
    static let conflict = refusal(
        409,
        "The URL is the present one, or the daemon holds as many instances as it accepts"
    )
    static let rejected = refusal(422, "The manifest cannot be read; `details` says where and why")
    static let full = refusal(507, "The disk is full; nothing was done")
    static let unread = refusal(503, "The store cannot be read at the moment")
    static let unstored = refusal(503, "The store refuses writes; nothing was done")
    static let stale = refusal(412, "`If-Match` names a state that is not the present one")

    private static func refusal(_ status: Int, _ text: String) -> Operation.Answer {
        Operation.Answer(status: status, text: text, schema: Schema.reference(ErrorView.self))
    }
}

extension Operation.QueryField {
    static let masked = Operation.QueryField(
        name: "masked",
        text: "Leave keys, and values from references, out of `url`, `config` and `override`",
        schema: Schema.boolean
    )
    static let dryRun = Operation.QueryField(
        name: "dryRun",
        text: "Validate and answer, but change nothing",
        schema: Schema.boolean
    )
    static let ttl = Operation.QueryField(
        name: "ttl",
        text: "How long an override of a declared tunnel lasts, such as 30m",
        schema: Schema.duration
    )
    static let note = Operation.QueryField(
        name: "note",
        text: "Why, for those who read it later: events and overrides show it",
        schema: ["type": "string", "maxLength": .int(Int64(TunnelLabels.textLimitBytes))]
    )
    static let grace = Operation.QueryField(
        name: "grace",
        text: "How long the API key that a `restart` of its row replaces works on; at most 7 days",
        schema: Schema.duration
    )
    static let ifMatch = Operation.QueryField(
        name: "If-Match",
        text: "The ETag that the caller has seen; `*` matches every state",
        place: "header"
    )
}
