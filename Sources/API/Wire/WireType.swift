import Config
import FoundationEssentials
import Reconciler

/// How one kind of value looks in JSON: its schema, how it is written, and how a client reads it.
///
/// Reading is lenient, because the daemon at the other end may be of another version: what is
/// missing or of another type is empty, zero, false or nil.
package struct WireType<Written, Read>: Sendable {
    let schema: JSONValue
    let write: @Sendable (Written) -> JSONValue
    let read: @Sendable (JSONValue?) -> Read
}

extension WireType where Written == String, Read == String {
    private static func string(_ schema: JSONValue) -> WireType {
        WireType(schema: schema, write: { .string($0) }, read: { $0?.stringValue ?? "" })
    }

    static func text(_ description: String, example: String? = nil) -> WireType {
        string(Schema.text(description, example: example))
    }

    static func text(_ description: String, pattern: String, example: String? = nil) -> WireType {
        string(Schema.text(description, pattern: pattern, example: example))
    }

    /// One of these words; a client takes any word, as a later version may have more.
    static func words(_ words: [String], _ description: String) -> WireType {
        string(Schema.words(words, description))
    }

    static var id: WireType { string(Schema.id) }

    static func revision(_ description: String) -> WireType { string(Schema.revision(description)) }

    static var phase: WireType { string(Schema.phase) }

    static var problemKind: WireType { words(Problem.Kind.allCases.map(\.rawValue), "What kind of problem it is") }

    static var reason: WireType { string(Schema.reason) }

    static var changeClass: WireType { string(Schema.changeClass) }

    static func runState(_ description: String) -> WireType { string(Schema.described(description, Schema.runState)) }
}

extension WireType where Written == Author, Read == String {
    /// Who did something.
    static var author: WireType {
        let schema = Schema.text(
            "Who did it: a user of the daemon's machine, or a key and an address",
            example: "root (local CLI)"
        )
        return WireType(schema: schema, write: { .string($0.description) }, read: { $0?.stringValue ?? "" })
    }
}

extension WireType where Written == String, Read == String {
    /// Why someone did it, in their own words.
    static var note: WireType { text("What they wrote about why", example: "INC-42") }
}

extension WireType where Written == String?, Read == String? {
    /// The name in the manifest.
    static var name: WireType {
        WireType(schema: Schema.name, write: { $0.map(JSONValue.string) ?? .null }, read: { $0?.stringValue })
    }
}

extension WireType where Written == SourceLocation?, Read == String? {
    /// The line of a manifest, `tunnels.yaml:12`.
    static var source: WireType {
        WireType(
            schema: Schema.source,
            write: { $0.map { .string($0.fileAndLine) } ?? .null },
            read: { $0?.stringValue }
        )
    }
}

extension WireType where Written == Date, Read == String {
    static func time(_ description: String) -> WireType {
        WireType(
            schema: Schema.time(description),
            write: { .string(RFC3339.text($0)) },
            read: { $0?.stringValue ?? "" }
        )
    }
}

extension WireType where Written: BinaryInteger & Sendable, Read == Int64 {
    private static func integer(_ schema: JSONValue) -> WireType {
        WireType(schema: schema, write: { .int(Int64(clamping: $0)) }, read: { $0?.intValue ?? 0 })
    }

    /// Whole and not negative; clients read 64 bits with a sign.
    static func count(_ description: String) -> WireType { integer(Schema.count(description)) }

    static func integer(_ description: String) -> WireType { integer(Schema.integer(description)) }

    static func percent(_ description: String) -> WireType {
        integer(["description": .string(description), "type": "integer", "minimum": -1, "maximum": 100])
    }
}

extension WireType where Written == Double, Read == Double {
    /// Not negative.
    static func number(_ description: String) -> WireType {
        WireType(
            schema: ["description": .string(description), "type": "number", "minimum": 0],
            write: { .double($0) },
            read: { value in
                if case .double(let number)? = value { return number }
                return Double(value?.intValue ?? 0)
            }
        )
    }
}

extension WireType where Written == Bool, Read == Bool {
    static func flag(_ description: String? = nil) -> WireType {
        flag(schema: Schema.described(description, Schema.boolean))
    }

    /// A member that is there to say true.
    static func mark(_ description: String) -> WireType {
        flag(schema: ["const": true, "description": .string(description)])
    }

    private static func flag(schema: JSONValue) -> WireType {
        WireType(schema: schema, write: { .bool($0) }, read: { $0 == .bool(true) })
    }
}

extension WireType where Written == [String], Read == [String] {
    static func texts(_ description: String) -> WireType {
        WireType(
            schema: Schema.texts(description),
            write: { .array($0.map(JSONValue.string)) },
            read: { ($0?.items ?? []).compactMap(\.stringValue) }
        )
    }
}

extension WireType where Written == [String: String], Read == [String: String] {
    /// Texts by name, in the order of their names.
    static func map(_ description: String) -> WireType {
        WireType(
            schema: [
                "description": .string(description), "type": "object", "additionalProperties": ["type": "string"],
            ],
            write: { .object($0.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, .string($0.value)) }) },
            read: { value in
                guard case .object(let members)? = value else { return [:] }
                let pairs = members.compactMap { member in member.value.stringValue.map { (member.name, $0) } }
                return Dictionary(pairs, uniquingKeysWith: { $1 })
            }
        )
    }
}

extension WireType {
    static func object<View: WireView>(_ view: View.Type) -> WireType
    where Written == View.Source, Read == WireObject<View> {
        WireType(schema: Schema.reference(view), write: View.object, read: { WireObject($0 ?? .null) })
    }

    static func list<Item, ItemRead>(_ item: WireType<Item, ItemRead>, _ description: String? = nil) -> WireType
    where Written == [Item], Read == [ItemRead] {
        WireType(
            schema: Schema.array(item.schema, description),
            write: { .array($0.map(item.write)) },
            read: { ($0?.items ?? []).map(item.read) }
        )
    }

    static func nullable<Some, SomeRead>(_ type: WireType<Some, SomeRead>) -> WireType
    where Written == Some?, Read == SomeRead? {
        WireType(
            schema: Schema.nullable(type.schema),
            write: { $0.map(type.write) ?? .null },
            read: { $0 == nil || $0 == .null ? nil : type.read($0) }
        )
    }
}
