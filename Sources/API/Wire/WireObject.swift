package import Config

/// A JSON object that a client has received, read by the table it was written by.
///
/// `answer.revision` is a member of the view and has its type; a name that the view does not have
/// does not compile.
@dynamicMemberLookup
package struct WireObject<View: WireView>: Sendable {
    package let json: JSONValue

    package init(_ json: JSONValue) {
        self.json = json
    }

    package subscript<Read>(dynamicMember path: KeyPath<View, WireField<View.Source, Read>>) -> Read {
        let field = View.table.fields[keyPath: path]
        return field.read(json[field.name])
    }

    /// The members that are there and that the view does not require, in its order.
    package var optionalMembers: [JSONValue.Member] {
        View.table.members.filter { !$0.isRequired }.compactMap { member in
            json[member.name].map { JSONValue.Member(member.name, $0) }
        }
    }
}
