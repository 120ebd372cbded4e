import Config
import HTTPTypes
import Reconciler

/// Reads the bodies of instance requests; everything is checked before anything is done.
enum InstanceBody {
    /// The body of `POST /instances`.
    struct Creation {
        enum Source {
            case url(String)
            /// The manifest's keys, as JSON.
            case spec(JSONValue)
        }

        var source: Source
        var labels: TunnelLabels
        var autostart: Bool
    }

    static func creation(_ body: JSONValue) throws(APIError) -> Creation {
        guard case .object = body else { throw .bodyInvalid }
        let patch = try self.labels(body)
        var labels = TunnelLabels()
        labels.alias = patch.alias ?? ""
        labels.peer = patch.peer ?? PeerLabel()
        labels.tags = patch.tags ?? [:]
        return Creation(source: try source(body), labels: labels, autostart: patch.autostart ?? true)
    }

    /// The body of `PUT /instances/{id}`.
    static func source(_ body: JSONValue) throws(APIError) -> Creation.Source {
        switch (body["url"], body["spec"]) {
        case (.string(let url), nil) where !url.isEmpty: return .url(url)
        case (nil, .object(let keys)): return .spec(.object(keys))
        default: throw .bodyInvalid
        }
    }

    /// The body of `PATCH /instances/{id}`: any of its parts; `null` means the same as missing.
    static func patch(_ body: JSONValue) throws(APIError) -> InstancePatch {
        guard case .object = body else { throw .bodyInvalid }
        var patch = try labels(body)
        if let action = try text(body["action"]), !action.isEmpty {
            guard let known = InstancePatch.Action(rawValue: action) else {
                throw APIError(.badRequest, "action", "Invalid action: \(action)")
            }
            patch.action = known
        }
        return patch
    }

    /// What a creation may say as well.
    private static func labels(_ body: JSONValue) throws(APIError) -> InstancePatch {
        var patch = InstancePatch()
        if let alias = try text(body["alias"]), !alias.isEmpty {
            try check { () throws(LabelProblem) in try TunnelLabels.check(alias, "Instance alias") }
            patch.alias = alias
        }
        switch body["restart"] {
        case .bool(let value): patch.autostart = value
        case nil, .null: break
        default: throw .bodyInvalid
        }
        if let meta = try object(body["meta"]) {
            patch.peer = try peer(meta["peer"])
            patch.tags = try tags(meta["tags"])
        }
        return patch
    }

    /// The whole peer: what is missing or null becomes empty, as in NodePass.
    private static func peer(_ value: JSONValue?) throws(APIError) -> PeerLabel? {
        guard let value = try object(value) else { return nil }
        var peer = PeerLabel()
        peer.sid = try text(value["sid"]) ?? ""
        peer.type = try text(value["type"]) ?? ""
        peer.alias = try text(value["alias"]) ?? ""
        try check(peer.check)
        return peer
    }

    /// The whole map.
    private static func tags(_ value: JSONValue?) throws(APIError) -> [String: String]? {
        guard case .object(let members)? = try object(value) else { return nil }
        var tags: [String: String] = [:]
        for member in members {
            tags[member.name] = try text(member.value) ?? ""
        }
        try check { () throws(LabelProblem) in try TunnelLabels.check(tags: tags) }
        return tags
    }

    private static func object(_ value: JSONValue?) throws(APIError) -> JSONValue? {
        switch value {
        case nil, .null: return nil
        case .object: return value
        default: throw .bodyInvalid
        }
    }

    private static func text(_ value: JSONValue?) throws(APIError) -> String? {
        switch value {
        case nil, .null: return nil
        case .string(let text): return text
        default: throw .bodyInvalid
        }
    }

    private static func check(_ labels: () throws(LabelProblem) -> Void) throws(APIError) {
        do throws(LabelProblem) {
            try labels()
        } catch {
            throw APIError(error)
        }
    }
}
