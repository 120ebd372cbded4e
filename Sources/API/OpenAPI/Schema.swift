import Config
import Reconciler
import Tunnel

/// The JSON Schemas of the OpenAPI document: strict, so that a test can hold every answer against
/// them.
enum Schema {
    static func reference(_ name: String) -> JSONValue {
        ["$ref": .string("#/components/schemas/\(name)")]
    }

    /// The schema of a view, by its name among the components.
    static func reference<View: WireView>(_ view: View.Type) -> JSONValue { reference(View.name) }

    // MARK: Texts

    static let text: JSONValue = ["type": "string"]
    static let texts: JSONValue = ["type": "array", "items": text]

    static func text(_ description: String, example: String? = nil) -> JSONValue {
        guard let example else { return described(description, text) }
        return described(description, ["type": "string", "examples": [.string(example)]])
    }

    static func text(_ description: String, pattern: String, example: String? = nil) -> JSONValue {
        var members: [JSONValue.Member] = [.init("type", "string"), .init("pattern", .string(pattern))]
        if let example { members.append(.init("examples", [.string(example)])) }
        return described(description, .object(members))
    }

    static func texts(_ description: String) -> JSONValue { described(description, texts) }

    static func words(_ words: [String], _ description: String? = nil) -> JSONValue {
        described(description, ["type": "string", "enum": .array(words.map(JSONValue.string))])
    }

    /// RFC 3339, in UTC.
    static func time(_ description: String) -> JSONValue {
        described(description, ["type": "string", "format": "date-time"])
    }

    static let etag: JSONValue = ["type": "string", "pattern": "^\"[^\"]*\"$"]

    static let id: JSONValue = [
        "type": "string", "pattern": "^([0-9a-f]{8}|\\*{8})$", "examples": ["1a2b3c4d"],
    ]

    /// Hashes of what is declared; empty before anything is.
    static func revision(_ description: String) -> JSONValue {
        text(description, pattern: "^[0-9a-f]*$", example: "0a1b2c3d4e5f")
    }

    /// A line of a manifest.
    static let source = nullable(text("The line that declares it", pattern: ":[0-9]+$", example: "tunnels.yaml:12"))

    static let name = nullable(text("Its name in the manifest; null where the API created it", example: "web"))

    // MARK: Numbers

    static let boolean: JSONValue = ["type": "boolean"]

    static func boolean(_ description: String) -> JSONValue { described(description, boolean) }

    /// Whole and not negative, as 64-bit signed clients read it.
    static let count: JSONValue = ["type": "integer", "format": "int64", "minimum": 0]

    static func count(_ description: String) -> JSONValue { described(description, count) }

    static func integer(_ description: String) -> JSONValue {
        described(description, ["type": "integer", "format": "int64"])
    }

    // MARK: Words of the domain

    static var phase: JSONValue { words(TunnelPhase.allCases.map(\.rawValue), "Where it is in its life") }

    static var reason: JSONValue {
        words([""] + TunnelReason.allCases.map(\.rawValue), "Why; may be empty")
    }

    static var changeClass: JSONValue {
        words(
            ChangeClass.allCases.map(\.rawValue),
            "What a change of this key affects: only labels (`meta`), only new connections (`live`), the session (`session`), or the address (`rebind`)"
        )
    }

    static let runState = words(["running", "stopped"])

    /// What `GoDuration` reads, without what it refuses as too long or as nothing.
    static let duration: JSONValue = [
        "type": "string",
        "pattern": .string(
            "^([1-9][0-9]{0,2}d|[1-9][0-9]{0,3}h|[1-9][0-9]{0,5}(ms|s|m))([0-9]{1,3}(\\.[0-9]{1,3})?(ms|s|m|h)){0,2}$"
        ),
        "examples": ["30s", "1h30m"],
    ]

    // MARK: Composing

    static func described(_ description: String?, _ schema: JSONValue) -> JSONValue {
        guard let description, case .object(let members) = schema else { return schema }
        return .object([.init("description", .string(description))] + members)
    }

    static func nullable(_ schema: JSONValue) -> JSONValue {
        ["anyOf": [schema, ["type": "null"]]]
    }

    static func array(_ item: JSONValue, _ description: String? = nil) -> JSONValue {
        described(description, ["type": "array", "items": item])
    }

    /// An answer's object: these members and no others.
    static func record(_ description: String, _ members: [JSONValue.Member], required: [String]) -> JSONValue {
        var parts: [JSONValue.Member] = [
            .init("description", .string(description)), .init("type", "object"),
            .init("properties", .object(members)),
        ]
        if !required.isEmpty { parts.append(.init("required", names(required))) }
        return .object(parts + [.init("additionalProperties", false)])
    }

    /// A request's object: none of its members has to be there, and unknown ones are ignored.
    static func request(
        _ description: String,
        _ members: KeyValuePairs<String, JSONValue>,
        required: [String] = []
    ) -> JSONValue {
        let parts: [JSONValue.Member] = [
            .init("description", .string(description)), .init("type", "object"), .init("properties", .object(members)),
        ]
        return .object(parts + (required.isEmpty ? [] : [.init("required", names(required))]))
    }

    static func names(_ names: [String]) -> JSONValue { .array(names.map(JSONValue.string)) }
}
