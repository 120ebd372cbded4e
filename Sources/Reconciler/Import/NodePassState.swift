package import Config
package import Tunnel

/// What the state file of a NodePass master says, before anything of it is judged.
///
/// Source: NodePass v1.14, `internal/master.go`: `gob/nodepass.gob` is one gob of a map from ids to instances. Its fields
/// are found by name, so that files of former and of later versions read too; zero values are not in the file.
package struct NodePassState: Sendable, Hashable {
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

    /// Ten thousand instances with long URLs and many tags take a quarter of it.
    package static let fileLimitBytes = 64 << 20
    /// The row that holds the API key instead of a tunnel.
    static let keyID = "********"

    /// By id.
    package let instances: [Row]
    /// `url` is the API key, `config` the master's id, `alias` its alias.
    package let key: Row?

    package init(instances: [Row], key: Row?) {
        self.instances = instances
        self.key = key
    }

    package init(bytes: [UInt8]) throws(StateImportError) {
        let value: GobValue
        do throws(GobError) {
            value = try GobReader.read(bytes)
        } catch {
            throw .unreadable(error)
        }
        guard case .map(let entries) = value else { throw .foreign("it holds \(value.kindName), not instances by id") }
        var rows: [InstanceID: Row] = [:]
        for entry in entries {
            guard case .string(let id) = entry.key, case .structure(let fields) = entry.value else {
                throw .foreign("it holds \(entry.value.kindName) by \(entry.key.kindName), not instances by id")
            }
            guard rows[id] == nil else { throw .foreign("it holds '\(id)' twice") }
            rows[id] = try Row(id: id, GobFields(fields, of: id))
        }
        key = rows.removeValue(forKey: Self.keyID)
        instances = rows.values.sorted { $0.id < $1.id }
    }
}

extension NodePassState.Row {
    fileprivate init(id: InstanceID, _ fields: GobFields) throws(StateImportError) {
        self.id = id
        alias = try fields.text("Alias")
        url = try fields.text("URL")
        config = try fields.text("Config")
        restart = try fields.flag("Restart")
        traffic = Traffic(
            tcpRx: try fields.count("TCPRX"),
            tcpTx: try fields.count("TCPTX"),
            udpRx: try fields.count("UDPRX"),
            udpTx: try fields.count("UDPTX")
        )
        let meta = try fields.fields("Meta")
        tags = try meta.texts("Tags")
        let peer = try meta.fields("Peer")
        self.peer = PeerLabel(
            sid: try peer.text("SID"),
            type: try peer.text("Type"),
            alias: try peer.text("Alias")
        )
    }
}

/// Looks fields of one kind up; one that is not there has its zero value.
private struct GobFields {
    private let values: [String: GobValue]
    private let owner: String

    init(_ values: [String: GobValue], of owner: String) {
        self.values = values
        self.owner = owner
    }

    func text(_ name: String) throws(StateImportError) -> String {
        switch values[name] {
        case nil: ""
        case .string(let text): text
        case let value?: throw wrong(name, value, "a text")
        }
    }

    func flag(_ name: String) throws(StateImportError) -> Bool {
        switch values[name] {
        case nil: false
        case .bool(let flag): flag
        case let value?: throw wrong(name, value, "a boolean")
        }
    }

    func count(_ name: String) throws(StateImportError) -> UInt64 {
        switch values[name] {
        case nil: return 0
        case .uint(let count): return count
        case .int(let count) where count >= 0: return UInt64(count)
        case let value?: throw wrong(name, value, "a count")
        }
    }

    func fields(_ name: String) throws(StateImportError) -> GobFields {
        switch values[name] {
        case nil: GobFields([:], of: "\(owner).\(name)")
        case .structure(let fields): GobFields(fields, of: "\(owner).\(name)")
        case let value?: throw wrong(name, value, "a structure")
        }
    }

    func texts(_ name: String) throws(StateImportError) -> [String: String] {
        guard let value = values[name] else { return [:] }
        guard case .map(let entries) = value else { throw wrong(name, value, "a map") }
        var texts: [String: String] = [:]
        for entry in entries {
            guard case .string(let key) = entry.key, case .string(let text) = entry.value else {
                throw wrong(name, entry.value, "a text")
            }
            texts[key] = text
        }
        return texts
    }

    private func wrong(_ name: String, _ value: GobValue, _ expected: String) -> StateImportError {
        .foreign("\(owner).\(name) is \(value.kindName), not \(expected)")
    }
}
