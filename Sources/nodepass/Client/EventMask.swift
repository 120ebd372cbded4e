import API
import Config

/// Takes keys, and values from references, out of the instance events of a stream.
///
/// What is secret in an instance only the daemon knows, so its masked form is read from there: all of them at first,
/// and one again when its URL has changed.
struct EventMask {
    private let client: ControlClient
    /// By id: the members as they are shown, and the URL that they were made of.
    private var shown: [String: (url: JSONValue?, members: [String: JSONValue])] = [:]

    private static let secretMembers = ["url", "config", "override"]

    init(_ client: ControlClient) async throws {
        self.client = client
        for row in try await client.instances() { shown[row.id] = (nil, Self.members(of: row.json)) }
    }

    mutating func masked(_ event: JSONValue) async throws -> JSONValue {
        guard case .object(let members) = event, let instance = event["instance"], instance != .null else {
            return event
        }
        let hidden = try await masked(instance: instance)
        return .object(members.map { $0.name == "instance" ? JSONValue.Member("instance", hidden) : $0 })
    }

    private mutating func masked(instance: JSONValue) async throws -> JSONValue {
        guard case .object(let members) = instance, let id = instance["id"]?.stringValue else { return instance }
        let isKey = id == KeyView.id
        let key: [String: JSONValue] = ["url": .string(Secret.mask)]
        let known = isKey ? key : try await self.members(of: instance, id)
        return .object(
            members.map { member in
                guard Self.secretMembers.contains(member.name) else { return member }
                if isKey { return known[member.name].map { JSONValue.Member(member.name, $0) } ?? member }
                // An event of a tunnel that is gone meanwhile: nobody says what is secret in it.
                return JSONValue.Member(member.name, known[member.name] ?? .string(Secret.mask))
            }
        )
    }

    private mutating func members(of instance: JSONValue, _ id: String) async throws -> [String: JSONValue] {
        let url = instance["url"]
        guard var known = shown[id], known.url == nil || known.url == url else {
            let row = try? await client.instance(id)
            shown[id] = (url, row.map { Self.members(of: $0.json) } ?? [:])
            return Self.following(instance, shown[id]?.members ?? [:])
        }
        known.url = url
        shown[id] = known
        return Self.following(instance, known.members)
    }

    /// The override is that of the event, without its URL.
    private static func following(_ instance: JSONValue, _ members: [String: JSONValue]) -> [String: JSONValue] {
        var members = members
        guard case .object(let parts)? = instance["override"] else {
            members["override"] = .null
            return members
        }
        let url = members["url"] ?? .string(Secret.mask)
        members["override"] = .object(parts.map { $0.name == "command" ? JSONValue.Member("command", url) : $0 })
        return members
    }

    private static func members(of row: JSONValue) -> [String: JSONValue] {
        ["url": row["url"] ?? .null, "config": row["config"] ?? .null]
    }
}
