extension ManifestSchema {
    /// The JSON Schema (2020-12) of a manifest, from the same table the reader uses.
    package static var jsonSchema: JSONValue {
        [
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "nodepass manifest",
            "description": "Tunnels that nodepass runs, declared by name.",
            "type": "object",
            "required": ["version", "tunnels"],
            "additionalProperties": false,
            "patternProperties": ["^x-": ["description": "Ignored: use it to define anchors."]],
            "properties": [
                "version": ["const": 1, "description": "The version of this format."],
                "include": include,
                "policy": policy,
                "defaults": nullable(tunnel(isDefaults: true), "Merged under every tunnel, key by key."),
                "tunnels": tunnels,
            ],
            "$defs": [
                "reference": [
                    "type": "string",
                    "pattern": "\\$\\{(env:[A-Za-z0-9_]+(:-[^}]*)?|file:[^}]+)\\}",
                    "description": "${env:NAME}, ${env:NAME:-default} or ${file:PATH}; the value is kept secret.",
                ],
                "tunnel": tunnel(isDefaults: false),
            ],
        ]
    }

    /// One file or a list; relative to the including file.
    private static var include: JSONValue {
        [
            "description": "Further manifests, relative to this file; * and ? match names, in lexical order.",
            "anyOf": [["type": "string"], ["type": "array", "items": ["type": "string"]], ["type": "null"]],
        ]
    }

    private static var policy: JSONValue {
        let members = PolicyField.all.map { field in
            JSONValue.Member(field.name, scalar(field.schema, field.summary, defaultText: field.defaultText))
        }
        let object: JSONValue = ["type": "object", "additionalProperties": false, "properties": .object(members)]
        return nullable(object, "What the API may change.")
    }

    private static var tunnels: JSONValue {
        [
            "description": "Tunnels by name; {} declares none.",
            "type": "object",
            "additionalProperties": false,
            "patternProperties": ["^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": ["$ref": "#/$defs/tunnel"]],
        ]
    }

    private static func tunnel(isDefaults: Bool) -> JSONValue {
        var members = keys(in: nil).compactMap { key -> JSONValue.Member? in
            if key == urlKey { return nil }
            if let field = fieldsByPath[key] { return .init(key, property(field)) }
            return .init(key, group(key))
        }
        var object: [JSONValue.Member] = [.init("type", "object"), .init("additionalProperties", false)]
        if !isDefaults {
            let summary = "The one-line form, as NodePass writes it; other keys may be beside it."
            members.append(.init(urlKey, ["type": "string", "description": .string(summary)]))
            object.append(.init("anyOf", [["required": ["url"]], ["required": ["tunnel", "target"]]]))
        }
        object.append(.init("properties", .object(members)))
        return .object(object)
    }

    private static func group(_ name: String) -> JSONValue {
        let members = keys(in: name).compactMap { key in
            fieldsByPath[name + "." + key].map { JSONValue.Member(key, property($0)) }
        }
        return nullable(["type": "object", "additionalProperties": false, "properties": .object(members)], nil)
    }

    private static func property(_ field: TunnelField) -> JSONValue {
        let roles = field.roles.count == 1 ? " (\(field.roles.map(\.rawValue).joined()) only)" : ""
        return scalar(field.schema, field.summary + roles, defaultText: field.defaultText)
    }

    /// A value, nothing at all, or a reference in its place.
    private static func scalar(_ schema: JSONValue, _ summary: String, defaultText: String) -> JSONValue {
        var members: [JSONValue.Member] = [.init("description", .string(summary))]
        if !defaultText.isEmpty { members.append(.init("default", value(defaultText, of: schema))) }
        let inner = referencesAllowed(in: schema)
        members.append(.init("anyOf", [inner, ["$ref": "#/$defs/reference"], ["type": "null"]]))
        return .object(members)
    }

    /// The members of lists and mappings may be references too.
    private static func referencesAllowed(in schema: JSONValue) -> JSONValue {
        guard case .object(let members) = schema else { return schema }
        return .object(
            members.map { member in
                switch (member.name, member.value) {
                case ("items", let item),
                    ("additionalProperties", let item) where item != false:
                    .init(member.name, ["anyOf": [item, ["$ref": "#/$defs/reference"]]])
                case ("anyOf", .array(let choices)):
                    .init(member.name, .array(choices.map(referencesAllowed)))
                default: member
                }
            }
        )
    }

    private static func nullable(_ schema: JSONValue, _ summary: String?) -> JSONValue {
        let choices: JSONValue = ["anyOf": [schema, ["type": "null"]]]
        guard let summary, case .object(let members) = choices else { return choices }
        return .object([.init("description", .string(summary))] + members)
    }

    /// The default as the kind of JSON value the key takes.
    private static func value(_ text: String, of schema: JSONValue) -> JSONValue {
        if let number = DecimalNumber.parse(text) { return .int(Int64(number)) }
        if text == "true" || text == "false" { return .bool(text == "true") }
        if text == "{}" { return .object([JSONValue.Member]()) }
        guard text.hasPrefix("["), text.hasSuffix("]") else { return .string(text) }
        let words = text.dropFirst().dropLast().split(separator: ",").map { JSONValue.string($0.trimmingBlanks) }
        return .array(words)
    }
}
