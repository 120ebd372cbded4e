package import Config
package import Tunnel

/// What the state of another master says, before anything in it is judged.
package struct ImportedState: Sendable, Hashable {
    package struct Row: Sendable, Hashable {
        package var id: InstanceID
        package var alias = ""
        package var url = ""
        package var config = ""
        /// Whether it starts with the master.
        package var restart = false
        package var tags: [String: String] = [:]
        package var peer = PeerLabel()
        package var traffic = Traffic()

        package init(id: InstanceID) {
            self.id = id
        }
    }

    /// By id.
    package let instances: [Row]
    /// `url` is the API key, `config` the master's id, `alias` its alias.
    package let key: Row?

    package init(instances: [Row], key: Row?) {
        self.instances = instances
        self.key = key
    }
}
