import Config
import Reconciler
import Tunnel

/// An instance as lists, events and answers show it.
extension Schema {
    static var instances: [JSONValue.Member] {
        [
            .init("Instance", closed("A tunnel, or the API key's row", [], [:])),
            .init(
                "InstanceDetails",
                closed("An instance with what only answers about a single one have", ["InstanceStatus"], [:])
            ),
            .init(
                "InstanceAnswer",
                closed("An instance, flat, and again in `data`", ["InstanceStatus"], enveloping("InstanceDetails"))
            ),
            .init(
                "InstanceStory",
                closed("An instance with its keys and its last events", ["InstanceStatus", "InstanceHistory"], [:])
            ),
            .init(
                "InstanceStoryAnswer",
                closed(
                    "An instance with its story, flat, and again in `data`",
                    ["InstanceStatus", "InstanceHistory"],
                    enveloping("InstanceStory")
                )
            ),
            .init("InstanceKeys", keys),
            .init("InstanceStatus", tunnelsOnly("What answers about one tunnel add", status)),
            .init("InstanceHistory", tunnelsOnly("What a GET of one tunnel adds", history)),
            .init("Meta", meta), .init("Peer", peer), .init("Override", override), .init("Draining", draining),
            .init("Certificate", certificate), .init("Transition", transition), .init("Field", field),
            .init("LastEvent", lastEvent),
        ]
    }

    // MARK: Composing

    /// `InstanceKeys`, these parts and these members, and nothing else.
    private static func closed(
        _ description: String,
        _ parts: [String],
        _ members: KeyValuePairs<String, JSONValue>
    ) -> JSONValue {
        var schema: [JSONValue.Member] = [
            .init("description", .string(description)),
            .init("allOf", .array((["InstanceKeys"] + parts).map(reference))),
        ]
        if !members.isEmpty {
            schema += [.init("properties", .object(members)), .init("required", required(members))]
        }
        return .object(schema + [.init("unevaluatedProperties", false)])
    }

    private static func enveloping(_ name: String) -> KeyValuePairs<String, JSONValue> {
        ["success": ["const": true, "description": "For clients of NodePass's v1.2"], "data": reference(name)]
    }

    private static let isKey: JSONValue = [
        "properties": ["id": ["const": .string(KeyView.id)]], "required": ["id"],
    ]

    /// Members that a tunnel has and the API key's row has not.
    private static func tunnelsOnly(_ description: String, _ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        [
            "description": .string(description + "; the API key's row has nothing of it"), "type": "object",
            "properties": .object(members), "if": isKey, "else": ["required": required(members)],
        ]
    }

    // MARK: Parts

    private static var keys: JSONValue {
        [
            "description": "NodePass's 17 keys, then ours; the API key's row has the former alone",
            "type": "object",
            "properties": .object((Array(ofNodePass) + Array(ours)).map { .init($0.key, $0.value) }),
            "required": required(ofNodePass),
            "if": isKey,
            "then": [
                "properties": [
                    "type": ["const": ""], "status": ["const": ""], "restart": ["const": false],
                    "url": ["pattern": "^[0-9a-f]{32}$"], "config": ["pattern": "^[0-9a-f]{16}$"],
                ]
            ],
            "else": [
                "properties": [
                    "type": ["enum": ["client", "server"]], "status": ["enum": ["running", "stopped", "error"]],
                    "url": ["pattern": "^(client|server)://"], "config": ["pattern": "^(client|server)://"],
                ],
                "required": required(ours),
            ],
        ]
    }

    private static var ofNodePass: KeyValuePairs<String, JSONValue> {
        [
            "id": id,
            "alias": text("Name shown in dashboards", example: "web"),
            "type": words(["client", "server", ""], "Empty for the API key's row"),
            "status": words(
                ["running", "stopped", "error", ""],
                "NodePass's words; `phase` says it finer. Right after its creation always `stopped`"
            ),
            "url": text(
                "Byte for byte what was sent, inherited parameters at its end; the key itself in the API key's row",
                example: "client://127.0.0.1:8080/10.0.0.7:80?mode=1"
            ),
            "config": text("The URL with every default; the master's id in the API key's row"),
            "restart": boolean("Whether it starts with the daemon"),
            "meta": reference("Meta"),
            "mode": count("0 until it is known; then 1 or 2: a client's single or dual end, a server's direction"),
            "ping": count("Round trip to the other end, or the last connect to the target, in milliseconds"),
            "pool": count("Idle links that are ready"),
            "tcps": count("Open TCP connections"), "udps": count("Open UDP sessions"),
            "tcprx": count("Bytes from users over TCP"), "tcptx": count("Bytes to users over TCP"),
            "udprx": count("Bytes from users over UDP"), "udptx": count("Bytes to users over UDP"),
        ]
    }

    private static var ours: KeyValuePairs<String, JSONValue> {
        [
            "name": name,
            "origin": words([Instance.Origin.manifest, .api].map(\.rawValue), "Who made it"),
            "source": source,
            "phase": phase, "reason": reason,
            "message": text("What there is to say about the phase, in a sentence; may be empty"),
            "revision": revision("Of the declaration that is applied"),
            "override": nullable(reference("Override")),
            "connections": count("`tcps` and `udps` together"), "pool_size": count("`pool`"),
            "uptime": count("Seconds it has been ready"),
            "tcp_in": count("`tcprx`"), "tcp_out": count("`tcptx`"),
            "udp_in": count("`udprx`"), "udp_out": count("`udptx`"),
            "draining": nullable(reference("Draining")),
            "rejected": count("Handshakes, links and lines of others that were turned away since the daemon started"),
            "refused": count("Users turned away for want of a file descriptor since the daemon started"),
            "certificate": nullable(reference("Certificate")),
        ]
    }

    private static var status: KeyValuePairs<String, JSONValue> {
        [
            "listening": texts("The addresses really bound"),
            "history": list("Transition", "The last steps of its life, oldest first"),
        ]
    }

    private static var history: KeyValuePairs<String, JSONValue> {
        [
            "shown": text("Its URL without secrets"),
            "fields": list("Field", "Its keys that are not at their default"),
            "events": list("LastEvent", "What was told of it lately, oldest first"),
        ]
    }

    private static var meta: JSONValue {
        record("Labels for dashboards", ["peer": reference("Peer"), "tags": tags])
    }

    private static var peer: JSONValue {
        record(
            "The other end, as a dashboard knows it",
            [
                "sid": text("Id of the service"), "type": text("Kind of the service"),
                "alias": text("Name of the other end"),
            ]
        )
    }

    private static let tags: JSONValue = [
        "description": "Labels by name", "type": "object", "additionalProperties": ["type": "string"],
    ]

    private static var override: JSONValue {
        record(
            "What a request changed over the manifest; the other keys stand as declared",
            [
                "since": time("When"), "until": nullable(time("When it ends by itself")),
                "by": text("Who: an address, or `socket`", example: "127.0.0.1"),
            ],
            optional: [
                "state": runState, "command": text("The URL it runs with instead"),
                "deleted": ["const": true, "description": "It is kept away"],
                "alias": text, "tags": tags, "peer": reference("Peer"), "restart": boolean,
            ]
        )
    }

    private static var draining: JSONValue {
        record(
            "Connections of a former run that may still finish",
            ["connections": count("How many"), "until": time("When the rest is cut")]
        )
    }

    private static var certificate: JSONValue {
        record(
            "What a server with TLS shows",
            [
                "subject": text("Whose it is", example: "CN=tunnel.example.org"),
                "notBefore": time("Valid from"), "notAfter": time("Valid until"),
                "fingerprint": text("SHA-256"), "expiresInDays": integer("Negative once it has expired"),
                "warning": nullable(text("What to do soon")),
            ]
        )
    }

    private static var transition: JSONValue {
        record(
            "One step in a tunnel's life",
            ["phase": phase, "reason": reason, "message": text("In a sentence; may be empty"), "time": time("When")]
        )
    }

    private static var field: JSONValue {
        record(
            "One key of a tunnel",
            [
                "path": text("Its path in a manifest", example: "limits.rate"),
                "value": text("In words; secrets are masked", example: "100Mbps"),
                "class": changeClass, "source": source,
            ]
        )
    }

    private static var lastEvent: JSONValue {
        record(
            "What was told of an instance; ids are those of its stream",
            [
                "id": count("Its number"), "time": time("When"),
                "type": words(["create", "update", "delete", "override", "release", "drift"], "What happened"),
            ],
            optional: [
                "phase": phase, "reason": reason, "message": text("In a sentence"),
                "cause": words(ReconcileNotice.ReleaseCause.allCases.map(\.rawValue), "Why it was released"),
                "by": text("Who released it"),
            ]
        )
    }
}
