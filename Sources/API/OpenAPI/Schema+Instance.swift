import Config

/// Instances as lists, events and answers show them: the tables of their keys, composed.
extension Schema {
    static var instances: [JSONValue.Member] {
        [
            .init("Instance", closed("A tunnel, or the API key's row", [], [:])),
            .init(
                "InstanceDetails",
                closed(
                    "An instance, with the keys that only an answer about one instance has",
                    [StatusKeys.name, DryRunKeys.name],
                    [:]
                )
            ),
            .init(
                "InstanceAnswer",
                closed(
                    "An instance, flat, and again in `data`",
                    [StatusKeys.name, DryRunKeys.name],
                    enveloping("InstanceDetails")
                )
            ),
            .init(
                "InstanceWithHistory",
                closed("An instance with its keys and its last events", [StatusKeys.name, HistoryKeys.name], [:])
            ),
            .init(
                "InstanceHistoryAnswer",
                closed(
                    "An instance with its keys and events, flat, and again in `data`",
                    [StatusKeys.name, HistoryKeys.name],
                    enveloping("InstanceWithHistory")
                )
            ),
            .init("InstanceKeys", keys),
            .init(StatusKeys.name, tunnelsOnly(StatusKeys.self)),
            .init(HistoryKeys.name, tunnelsOnly(HistoryKeys.self)),
            .init(
                DryRunKeys.name,
                [
                    "description": .string(DryRunKeys.summary), "type": "object",
                    "properties": .object(DryRunKeys.properties),
                ]
            ),
        ]
    }

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
            schema += [.init("properties", .object(members)), .init("required", names(members.map(\.key)))]
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
    private static func tunnelsOnly<View: WireView>(_ view: View.Type) -> JSONValue {
        [
            "description": .string(View.summary + "; the API key's row has none of it"), "type": "object",
            "properties": .object(View.properties), "if": isKey, "else": ["required": names(View.required)],
        ]
    }

    private static var keys: JSONValue {
        [
            "description": "NodePass's 17 keys, then ours; the API key's row has only NodePass's",
            "type": "object",
            "properties": .object(NodePassKeys.properties + OwnKeys.properties),
            "required": names(NodePassKeys.required),
            "if": isKey,
            "then": [
                "properties": [
                    "type": ["const": ""], "status": ["const": ""], "restart": ["const": false],
                    "url": ["pattern": "^([0-9a-f]{32}|•+)$"], "config": ["pattern": "^[0-9a-f]{16}$"],
                ]
            ],
            "else": [
                "properties": [
                    "type": ["enum": ["client", "server"]],
                    "status": ["enum": names(WireStatus.allCases.map(\.rawValue))],
                    "url": ["pattern": "^(client|server)://"], "config": ["pattern": "^(client|server)://"],
                ],
                "required": names(OwnKeys.required),
            ],
        ]
    }
}
