import Config
import Reconciler
import Tunnel

/// Reads the state file of a NodePass master, `gob/nodepass.gob`, without judging what it says.
///
/// Source: NodePass v1.14, `internal/master.go`: the file is one gob of a map from ids to instances. Its fields are found by
/// name, so that files of older and newer versions can be read too; zero values are not in the file.
enum NodePassStateFile {
    /// Ten thousand instances with long URLs and many tags take a quarter of it.
    static let limitBytes = 64 << 20
    /// The row that holds the API key instead of a tunnel.
    private static let keyID = "********"

    static func read(_ bytes: [UInt8]) throws(NodePassStateError) -> ImportedState {
        let value: GobValue
        do throws(GobError) {
            value = try GobReader.read(bytes)
        } catch {
            throw .unreadable(error)
        }
        guard case .map(let entries) = value else { throw .foreign("it holds \(value.kindName), not instances by id") }
        var rows: [InstanceID: ImportedState.Row] = [:]
        for entry in entries {
            guard case .string(let id) = entry.key, case .structure(let fields) = entry.value else {
                throw .foreign("it holds \(entry.value.kindName) by \(entry.key.kindName), not instances by id")
            }
            guard rows[id] == nil else { throw .foreign("it holds '\(id)' twice") }
            rows[id] = try ImportedState.Row(id: id, GobFields(fields, of: id))
        }
        let key = rows.removeValue(forKey: keyID)
        return ImportedState(instances: rows.values.sorted { $0.id < $1.id }, key: key)
    }
}

/// Why a file is not the state of a NodePass master.
enum NodePassStateError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Damaged, or not a gob.
    case unreadable(GobError)
    /// A gob of something else.
    case foreign(String)

    var description: String {
        switch self {
        case .unreadable(let error): "it is damaged or not a gob: \(error)"
        case .foreign(let problem): "it is not the state of a NodePass master: \(problem)"
        }
    }
}

extension ImportedState.Row {
    fileprivate init(id: InstanceID, _ fields: GobFields) throws(NodePassStateError) {
        self.init(id: id)
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

/// Looks fields up by name; a missing one has its zero value.
private struct GobFields {
    private let values: [String: GobValue]
    private let owner: String

    init(_ values: [String: GobValue], of owner: String) {
        self.values = values
        self.owner = owner
    }

    func text(_ name: String) throws(NodePassStateError) -> String {
        switch values[name] {
        case nil: ""
        case .string(let text): text
        case let value?: throw wrong(name, value, "a text")
        }
    }

    func flag(_ name: String) throws(NodePassStateError) -> Bool {
        switch values[name] {
        case nil: false
        case .bool(let flag): flag
        case let value?: throw wrong(name, value, "a boolean")
        }
    }

    func count(_ name: String) throws(NodePassStateError) -> UInt64 {
        switch values[name] {
        case nil: return 0
        case .uint(let count): return count
        case .int(let count) where count >= 0: return UInt64(count)
        case let value?: throw wrong(name, value, "a count")
        }
    }

    func fields(_ name: String) throws(NodePassStateError) -> GobFields {
        switch values[name] {
        case nil: GobFields([:], of: "\(owner).\(name)")
        case .structure(let fields): GobFields(fields, of: "\(owner).\(name)")
        case let value?: throw wrong(name, value, "a structure")
        }
    }

    func texts(_ name: String) throws(NodePassStateError) -> [String: String] {
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

    private func wrong(_ name: String, _ value: GobValue, _ expected: String) -> NodePassStateError {
        .foreign("\(owner).\(name) is \(value.kindName), not \(expected)")
    }
}
