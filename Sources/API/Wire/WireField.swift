import Config

/// One member of a view: its name, its schema, and how it comes from a source.
///
/// A view's table consists of these; the encoder, the OpenAPI schema and the typed reader of
/// clients are made from it.
package struct WireField<Source, Read>: Sendable {
    let name: String
    let schema: JSONValue
    /// False for a member that may be missing.
    let isRequired: Bool
    let write: @Sendable (Source) -> JSONValue?
    let read: @Sendable (JSONValue?) -> Read

    init<Written>(
        _ name: String,
        _ type: WireType<Written, Read>,
        _ value: @escaping @Sendable (Source) -> Written
    ) {
        self.name = name
        schema = type.schema
        isRequired = true
        write = { type.write(value($0)) }
        read = type.read
    }

    /// A member that is missing where its source has no value.
    init<Written, Some>(
        optional name: String,
        _ type: WireType<Written, Some>,
        _ value: @escaping @Sendable (Source) -> Written?
    ) where Read == Some? {
        self.name = name
        schema = type.schema
        isRequired = false
        write = { value($0).map(type.write) }
        read = { $0.map(type.read) }
    }
}

/// A field without the type that a client reads.
struct WireMember<Source>: Sendable {
    let name: String
    let schema: JSONValue
    let isRequired: Bool
    let write: @Sendable (Source) -> JSONValue?
}

/// What a table sees of a view's stored properties.
protocol WireMembership<Source> {
    associatedtype Source
    var member: WireMember<Source> { get }
}

extension WireField: WireMembership {
    var member: WireMember<Source> {
        WireMember(name: name, schema: schema, isRequired: isRequired, write: write)
    }
}
