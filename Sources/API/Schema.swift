import Config
import Reconciler
import Tunnel

/// The JSON Schemas of the OpenAPI document.
enum Schema {
    static func reference(_ name: String) -> JSONValue {
        .object(["$ref": .string("#/components/schemas/\(name)")])
    }

    static func list(_ name: String) -> JSONValue {
        .object(["type": "array", "items": reference(name)])
    }

    /// One instance with `success` and `data`.
    static let answer = reference("InstanceAnswer")

    static var components: JSONValue {
        .object([
            "Instance": instance,
            "InstanceAnswer": .object([
                "allOf": .array([
                    reference("Instance"),
                    object(details),
                    object(
                        [
                            "success": boolean,
                            "data": .object(["allOf": .array([reference("Instance"), object(details)])]),
                        ],
                        required: ["success", "data"]
                    ),
                ])
            ]),
            "Meta": meta,
            "Override": override,
            "Certificate": certificate,
            "Transition": object(
                ["phase": phase, "reason": reason, "message": text, "time": text],
                required: ["phase", "reason", "message", "time"]
            ),
            "InstanceCreation": creation,
            "InstanceReplacement": replacement,
            "InstancePatch": patch,
            "Info": info,
            "InfoUpdate": object(["alias": nullable(shortText)]),
            "Ping": object(
                ["target": text, "connected": boolean, "latency": count, "error": nullable(text)],
                required: ["target", "connected", "latency", "error"]
            ),
            "Reconcile": reconcile,
            "Outcome": outcome,
            "Plan": plan,
            "Manifest": manifest,
            "Field": object(
                ["path": text, "value": text, "class": changeClass, "source": nullable(text)],
                required: ["path", "value", "class", "source"]
            ),
            "LastEvent": object(
                [
                    "id": count, "time": text, "type": text, "phase": text, "reason": text, "message": text,
                    "cause": text, "by": text,
                ],
                required: ["id", "time", "type"]
            ),
            "Log": log,
            "History": history,
            "HistoryOverview": historyOverview,
            "Error": object(
                ["error": text, "message": text, "code": text, "source": text, "details": list("Diagnostic")],
                required: ["error", "message"]
            ),
            "Diagnostic": object(
                ["severity": text, "location": nullable(text), "path": text, "message": text, "code": text],
                required: ["severity", "path", "message", "code"]
            ),
        ])
    }

    // MARK: Instances

    private static var instance: JSONValue {
        let v1: KeyValuePairs<String, JSONValue> = [
            "id": text,
            "alias": text,
            "type": words(["client", "server", ""]),
            "status": words(["running", "stopped", "error", ""]),
            "url": text,
            "config": text,
            "restart": boolean,
            "meta": reference("Meta"),
            "mode": count, "ping": count, "pool": count, "tcps": count, "udps": count,
            "tcprx": count, "tcptx": count, "udprx": count, "udptx": count,
        ]
        let ours: KeyValuePairs<String, JSONValue> = [
            "name": nullable(text),
            "origin": words(Instance.Origin.allWords),
            "source": nullable(text),
            "phase": phase,
            "reason": reason,
            "message": text,
            "revision": text,
            "override": nullable(reference("Override")),
            "connections": count, "pool_size": count, "uptime": count,
            "tcp_in": count, "tcp_out": count, "udp_in": count, "udp_out": count,
            "draining": nullable(object(["connections": count, "until": text], required: ["connections", "until"])),
            "rejected": count,
            "certificate": nullable(reference("Certificate")),
        ]
        return .object([
            "type": "object",
            "properties": .object((Array(v1) + Array(ours)).map { JSONValue.Member($0.key, $0.value) }),
            "required": .array(v1.map { .string($0.key) }),
        ])
    }

    /// What only the answer about one instance has.
    private static var details: KeyValuePairs<String, JSONValue> {
        [
            "listening": texts, "history": list("Transition"), "shown": text, "fields": list("Field"),
            "events": list("LastEvent"),
        ]
    }

    static var phase: JSONValue { words(TunnelPhase.allCases.map(\.rawValue)) }

    static var reason: JSONValue { words([""] + TunnelReason.allCases.map(\.rawValue)) }

    private static var certificate: JSONValue {
        let time: JSONValue = .object(["type": "string", "format": "date-time"])
        return object(
            [
                "subject": text, "notBefore": time, "notAfter": time, "fingerprint": text, "expiresInDays": count,
                "warning": nullable(text),
            ],
            required: ["subject", "notBefore", "notAfter", "fingerprint", "expiresInDays", "warning"]
        )
    }

    private static var meta: JSONValue {
        object(["peer": peer, "tags": tags], required: ["peer", "tags"])
    }

    private static var peer: JSONValue {
        object(["sid": nullable(shortText), "type": nullable(shortText), "alias": nullable(shortText)])
    }

    private static var tags: JSONValue {
        .object(["type": "object", "additionalProperties": shortText])
    }

    private static var override: JSONValue {
        object(
            [
                "state": words(["running", "stopped"]), "command": text, "deleted": boolean, "alias": text,
                "tags": tags, "peer": peer, "restart": boolean, "since": text, "until": nullable(text), "by": text,
            ],
            required: ["since", "until", "by"]
        )
    }

    private static var patchMeta: JSONValue { object(["peer": peer, "tags": tags]) }

    private static var creation: JSONValue {
        let members: KeyValuePairs<String, JSONValue> = [
            "url": url, "spec": spec, "alias": shortText, "meta": patchMeta, "restart": boolean,
        ]
        return oneOf(members)
    }

    private static var replacement: JSONValue { oneOf(["url": url, "spec": spec]) }

    private static var patch: JSONValue {
        object([
            "alias": nullable(shortText),
            "action": nullable(words(InstancePatch.Action.allCases.map(\.rawValue))),
            "restart": .object(["type": .array(["boolean", "null"])]),
            "meta": patchMeta,
        ])
    }

    private static var url: JSONValue {
        .object([
            "type": "string",
            "maxLength": .int(Int64(TunnelURL.lengthLimitBytes)),
            "examples": .array(["client://127.0.0.1:8080/127.0.0.1:9090?mode=1"]),
        ])
    }

    private static var spec: JSONValue {
        .object(["type": "object", "description": "The keys a tunnel has in a manifest (nodepass schema)"])
    }

    // MARK: The daemon

    private static var info: JSONValue {
        let texts = ["alias", "arch", "crt", "key", "log", "mid", "name", "os", "tls", "ver", "impl", "build"]
        let counts = [
            "cpu", "diskr", "diskw", "mem_total", "mem_used", "netrx", "nettx", "noc", "swap_total", "swap_used",
            "sysup", "uptime",
        ]
        let members = texts.map { JSONValue.Member($0, text) } + counts.map { JSONValue.Member($0, count) }
        return .object([
            "type": "object",
            "properties": .object(members),
            "required": .array((texts + counts).map(JSONValue.string)),
        ])
    }

    private static var log: JSONValue {
        let line = object(
            ["time": text, "level": words(LogLevel.allCases.map(\.rawValue)), "message": text],
            required: ["time", "level", "message"]
        )
        return object(
            ["id": text, "lines": .object(["type": "array", "items": line])],
            required: ["id", "lines"]
        )
    }

    // MARK: Small parts

    static let text: JSONValue = .object(["type": "string"])
    static let texts: JSONValue = .object(["type": "array", "items": text])
    private static let shortText: JSONValue = .object([
        "type": "string", "maxLength": .int(Int64(TunnelLabels.textLimitBytes)),
    ])
    static let boolean: JSONValue = .object(["type": "boolean"])
    static let count: JSONValue = .object(["type": "integer", "format": "int64"])

    static func words(_ words: [String]) -> JSONValue {
        .object(["type": "string", "enum": .array(words.map(JSONValue.string))])
    }

    static func nullable(_ schema: JSONValue) -> JSONValue {
        .object(["anyOf": .array([schema, .object(["type": "null"])])])
    }

    static func object(_ members: KeyValuePairs<String, JSONValue>, required: [String] = []) -> JSONValue {
        var parts: [JSONValue.Member] = [
            JSONValue.Member("type", "object"),
            JSONValue.Member("properties", .object(members)),
        ]
        if !required.isEmpty { parts.append(JSONValue.Member("required", .array(required.map(JSONValue.string)))) }
        return .object(parts)
    }

    /// A body that names its tunnel by `url` or by `spec`.
    private static func oneOf(_ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        .object([
            "type": "object",
            "properties": .object(members),
            "anyOf": .array([
                .object(["required": .array(["url"])]),
                .object(["required": .array(["spec"])]),
            ]),
        ])
    }
}

extension Instance.Origin {
    fileprivate static let allWords = [Instance.Origin.manifest, .api].map(\.rawValue)
}
