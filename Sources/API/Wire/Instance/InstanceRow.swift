package import Config

/// An instance that a client has received, in a list, an event or an answer.
///
/// Which of the keys are there depends on the answer; see ``StatusKeys`` and ``HistoryKeys``.
@dynamicMemberLookup
package struct InstanceRow: Sendable {
    package let json: JSONValue

    package init(_ json: JSONValue) {
        self.json = json
    }

    /// The API key's row, which is in every list.
    package var isKey: Bool { self[dynamicMember: \NodePassKeys.id] == KeyView.id }

    package subscript<Read>(dynamicMember path: KeyPath<NodePassKeys, NodePassKeys.Field<Read>>) -> Read {
        WireObject<NodePassKeys>(json)[dynamicMember: path]
    }

    package subscript<Read>(dynamicMember path: KeyPath<OwnKeys, OwnKeys.Field<Read>>) -> Read {
        WireObject<OwnKeys>(json)[dynamicMember: path]
    }

    package subscript<Read>(dynamicMember path: KeyPath<StatusKeys, StatusKeys.Field<Read>>) -> Read {
        WireObject<StatusKeys>(json)[dynamicMember: path]
    }

    package subscript<Read>(dynamicMember path: KeyPath<HistoryKeys, HistoryKeys.Field<Read>>) -> Read {
        WireObject<HistoryKeys>(json)[dynamicMember: path]
    }
}
