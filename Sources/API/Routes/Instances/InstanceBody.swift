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
        var note: String?
    }

    static func creation(_ body: JSONValue) throws(APIError) -> Creation {
        guard case .object = body else { throw .bodyInvalid("", "takes a JSON object, not \(body.kindName)") }
        let patch = try self.labels(body)
        var labels = TunnelLabels()
        labels.alias = patch.alias ?? ""
        labels.peer = patch.peer ?? PeerLabel()
        labels.tags = patch.tags ?? [:]
        return Creation(
            source: try source(body),
            labels: labels,
            autostart: patch.autostart ?? true,
            note: try note(in: body)
        )
    }

    /// The body of `PUT /instances/{id}`.
    static func replacement(_ body: JSONValue) throws(APIError) -> (source: Creation.Source, note: String?) {
        (try source(body), try note(in: body))
    }

    private static func source(_ body: JSONValue) throws(APIError) -> Creation.Source {
        switch (body["url"], body["spec"]) {
        case (.string(let url), nil) where !url.isEmpty: return .url(url)
        case (nil, .object(let keys)): return .spec(.object(keys))
        default: throw .bodyInvalid("", "takes exactly one of url (text) and spec (object)")
        }
    }

    /// The body of `PATCH /instances/{id}`: any of its parts; `null` means the same as missing.
    static func patch(_ body: JSONValue) throws(APIError) -> (patch: InstancePatch, note: String?) {
        guard case .object = body else { throw .bodyInvalid("", "takes a JSON object, not \(body.kindName)") }
        var patch = try labels(body)
        if let action = try text(body["action"], "action"), !action.isEmpty {
            guard let known = InstancePatch.Action(rawValue: action) else {
                throw APIError(.badRequest, "action", "Invalid action: \(action)")
            }
            patch.action = known
        }
        return (patch, try note(in: body))
    }

    /// What the author of a request says about why.
    static func note(_ text: String?) throws(APIError) -> String? {
        do throws(LabelProblem) {
            return try RequestNote.checked(text)
        } catch {
            throw APIError(error)
        }
    }

    private static func note(in body: JSONValue) throws(APIError) -> String? {
        try note(try text(body["note"], "note"))
    }

    /// What a creation may say as well.
    private static func labels(_ body: JSONValue) throws(APIError) -> InstancePatch {
        var patch = InstancePatch()
        if let alias = try text(body["alias"], "alias"), !alias.isEmpty {
            try check { () throws(LabelProblem) in try TunnelLabels.check(alias, "Instance alias") }
            patch.alias = alias
        }
        switch body["restart"] {
        case .bool(let value): patch.autostart = value
        case nil, .null: break
        case let other?: throw .bodyInvalid("restart", "takes true or false, not \(other.kindName)")
        }
        if let meta = try object(body["meta"], "meta") {
            patch.peer = try peer(meta["peer"])
            patch.tags = try tags(meta["tags"])
        }
        return patch
    }

    /// The whole peer: what is missing or null becomes empty, as in NodePass.
    private static func peer(_ value: JSONValue?) throws(APIError) -> PeerLabel? {
        guard let value = try object(value, "meta.peer") else { return nil }
        var peer = PeerLabel()
        peer.sid = try text(value["sid"], "meta.peer.sid") ?? ""
        peer.type = try text(value["type"], "meta.peer.type") ?? ""
        peer.alias = try text(value["alias"], "meta.peer.alias") ?? ""
        try check(peer.check)
        return peer
    }

    /// The whole map.
    private static func tags(_ value: JSONValue?) throws(APIError) -> [String: String]? {
        guard case .object(let members)? = try object(value, "meta.tags") else { return nil }
        var tags: [String: String] = [:]
        for member in members {
            tags[member.name] = try text(member.value, "meta.tags.\(member.name)") ?? ""
        }
        try check { () throws(LabelProblem) in try TunnelLabels.check(tags: tags) }
        return tags
    }

    private static func object(_ value: JSONValue?, _ path: String) throws(APIError) -> JSONValue? {
        switch value {
        case nil, .null: return nil
        case .object: return value
        case let other?: throw .bodyInvalid(path, "takes an object, not \(other.kindName)")
        }
    }

    private static func text(_ value: JSONValue?, _ path: String) throws(APIError) -> String? {
        switch value {
        case nil, .null: return nil
        case .string(let text): return text
        case let other?: throw .bodyInvalid(path, "takes a text, not \(other.kindName)")
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
