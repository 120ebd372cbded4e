package import Config

/// A kind of JSON object that the API sends.
///
/// Its stored properties are its members, in the order of the wire. Nothing else states them:
/// ``object(_:)`` writes them, ``schema`` describes them, and ``WireObject`` reads them by the same
/// properties.
package protocol WireView: Sendable {
    /// What an object is made from.
    associatedtype Source
    /// The schema's name in the OpenAPI document.
    static var name: String { get }
    static var summary: String { get }
    static var table: WireTable<Self> { get }
    /// The schema of one object.
    static var schema: JSONValue { get }
    init()
}

extension WireView {
    package typealias Field<Read> = WireField<Source, Read>

    /// The object of a source, its members in order.
    package static func object(_ source: Source) -> JSONValue { .object(members(source)) }

    static func members(_ source: Source) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        members.reserveCapacity(table.members.count)
        append(source, to: &members)
        return members
    }

    static func append(_ source: Source, to members: inout [JSONValue.Member]) {
        for member in table.members {
            if let value = member.write(source) { members.append(JSONValue.Member(member.name, value)) }
        }
    }

    /// These members and no others.
    package static var schema: JSONValue { Schema.record(summary, properties, required: required) }

    package static var memberNames: [String] { table.members.map(\.name) }

    static var component: JSONValue.Member { JSONValue.Member(name, schema) }

    static var properties: [JSONValue.Member] {
        table.members.map { JSONValue.Member($0.name, $0.schema) }
    }

    static var required: [String] { table.members.filter(\.isRequired).map(\.name) }
}

/// The members of a view, found once.
package struct WireTable<View: WireView>: Sendable {
    let fields: View
    let members: [WireMember<View.Source>]

    /// Takes the stored properties in the order in which the view declares them.
    init(_ fields: View) {
        self.fields = fields
        members = Mirror(reflecting: fields).children.compactMap { child in
            (child.value as? any WireMembership<View.Source>)?.member
        }
    }
}
