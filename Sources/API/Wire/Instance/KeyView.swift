package import Config

/// The pseudo instance that shows the API key, as v1.14 has it in every list.
package enum KeyView {
    package static let id = "********"

    package static func object(key: String, masterID: String, alias: String) -> JSONValue {
        .object(members(key: key, masterID: masterID, alias: alias))
    }

    package static func answer(key: String, masterID: String, alias: String) -> JSONValue {
        InstanceView.enveloped(members(key: key, masterID: masterID, alias: alias))
    }

    private static func members(key: String, masterID: String, alias: String) -> [JSONValue.Member] {
        NodePassKeys.members(NodePassKeys.Source(id: id, alias: alias, url: key, config: masterID))
    }
}
