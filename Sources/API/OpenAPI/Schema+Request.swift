import Config
import Reconciler

/// Bodies of requests. `null` means the same as a missing member, except for `url` and `spec`.
extension Schema {
    static var requests: [JSONValue.Member] {
        [
            .init(
                "InstanceCreation",
                naming(
                    "A new tunnel, given by `url` or by `spec`, and its labels",
                    [
                        "url": url, "spec": reference("TunnelSpec"), "alias": label("Name shown in dashboards"),
                        "meta": nullable(reference("MetaChange")),
                        "restart": flag("Whether it starts with the daemon; true if missing"), "note": note,
                    ]
                )
            ),
            .init(
                "InstanceReplacement",
                naming(
                    "The new form of the tunnel, given by `url` or by `spec`",
                    ["url": url, "spec": reference("TunnelSpec"), "note": note]
                )
            ),
            .init("InstancePatch", patch),
            .init("MetaChange", metaChange),
            .init(
                "APIKeyCreation",
                request(
                    "A new key",
                    [
                        "label": [
                            "description": "Its name", "type": "string", "pattern": .string(APIKeyring.labelPattern),
                        ],
                        "role": words(APIRole.allCases.map(\.rawValue), "What it may do"),
                        "ttl": nullable(duration),
                    ],
                    required: ["label", "role"]
                )
            ),
            .init("InfoUpdate", request("The daemon's alias", ["alias": label("Empty if missing")])),
        ]
    }

    private static var patch: JSONValue {
        request(
            "Any of these members; all of them are checked before any is applied",
            [
                "alias": label("A new name; an empty one changes nothing"),
                "action": nullable(
                    words(
                        InstancePatch.Action.allCases.map(\.rawValue) + [""],
                        "`reset` sets the traffic counters to 0; `start` works after a failure too"
                    )
                ),
                "restart": flag("Whether it starts with the daemon"),
                "meta": nullable(reference("MetaChange")),
                "note": note,
            ]
        )
    }

    private static let note = label("Why, for those who read it later: events and overrides show it")

    private static var metaChange: JSONValue {
        let peer = request(
            "The whole peer: a missing member becomes empty",
            ["sid": label("Id of the service"), "type": label("Kind of the service"), "alias": label("Its name")]
        )
        return request(
            "Labels for dashboards; a missing part stays as it is",
            ["peer": nullable(peer), "tags": nullable(tags)]
        )
    }

    private static let tags: JSONValue = [
        "description": "All tags: a tag that is missing is removed",
        "type": "object",
        "maxProperties": .int(Int64(TunnelLabels.tagLimit)),
        "propertyNames": ["maxLength": .int(Int64(TunnelLabels.textLimitBytes))],
        "additionalProperties": label("Its value"),
    ]

    /// The limit counts UTF-8 bytes, JSON Schema counts characters.
    private static func label(_ description: String) -> JSONValue {
        nullable([
            "description": .string(description), "type": "string",
            "maxLength": .int(Int64(TunnelLabels.textLimitBytes)),
        ])
    }

    private static func flag(_ description: String) -> JSONValue {
        ["description": .string(description), "type": ["boolean", "null"]]
    }

    private static let url: JSONValue = [
        "description": "NodePass's one-line form; unknown parameters are kept",
        "type": "string",
        "pattern": "^(client|server)://",
        "maxLength": .int(Int64(TunnelURL.lengthLimitBytes)),
        "examples": ["client://127.0.0.1:8080/127.0.0.1:9090?mode=1"],
    ]

    /// A body that names its tunnel in one of two ways.
    private static func naming(_ description: String, _ members: KeyValuePairs<String, JSONValue>) -> JSONValue {
        [
            "description": .string(description), "type": "object", "properties": .object(members),
            "oneOf": [["required": ["url"]], ["required": ["spec"]]],
        ]
    }

    // MARK: Manifests

    /// The manifest's own schema, its definitions among the components: `nodepass schema` prints
    /// the same.
    static var declarations: [JSONValue.Member] {
        let schema = ManifestSchema.jsonSchema
        guard case .object(let members) = schema else { return [] }
        let file = members.filter { $0.name != "$schema" && $0.name != "$defs" }
        let tunnel = schema["$defs"]?["tunnel"] ?? true
        return [
            .init("ManifestFile", adopted(.object(file))),
            .init("TunnelDeclaration", adopted(described("A tunnel as a manifest declares it", tunnel))),
            .init("Reference", schema["$defs"]?["reference"] ?? true),
            .init(
                "TunnelSpec",
                adopted(selfContained(described("The keys a tunnel has in a manifest; references are refused", tunnel)))
            ),
        ]
    }

    /// A tunnel without `defaults` and references: it needs its own role.
    private static func selfContained(_ tunnel: JSONValue) -> JSONValue {
        guard case .object(let members) = withoutReferences(tunnel) else { return tunnel }
        let ways: JSONValue = [["required": ["url"]], ["required": ["role", "tunnel", "target"]]]
        return .object(members.map { $0.name == "anyOf" ? .init("anyOf", ways) : $0 })
    }

    /// With references to definitions as references to components.
    private static func adopted(_ schema: JSONValue) -> JSONValue {
        switch schema {
        case "#/$defs/tunnel": "#/components/schemas/TunnelDeclaration"
        case "#/$defs/reference": "#/components/schemas/Reference"
        case .object(let members): .object(members.map { .init($0.name, adopted($0.value)) })
        case .array(let items): .array(items.map(adopted))
        default: schema
        }
    }

    private static func withoutReferences(_ schema: JSONValue) -> JSONValue {
        switch schema {
        case .object(let members): .object(members.map { .init($0.name, withoutReferences($0.value)) })
        case .array(let items): .array(items.filter { $0["$ref"] == nil }.map(withoutReferences))
        default: schema
        }
    }
}
