package import Config

/// One message on the control link.
///
/// Source: NodePass v1.14 for the first six; `refuse`, `trim` and `certificate` are ours and only sent
/// to a peer that named them.
package enum Signal: Sendable, Hashable {
    case ping
    case pong
    /// Close every idle link.
    case flush
    /// The entry took link `id` for this user (`ip:port`, IPv6 in brackets): the exit dials the
    /// target for it.
    case open(TransportProtocol, id: LinkID, user: String)
    /// The sender saw (client) or has (server) the certificate with this fingerprint on link `id`.
    case verify(id: LinkID, fingerprint: String?)
    /// The exit could not connect link `id` to a target.
    case refuse(id: LinkID, why: String)
    /// The exit asks the entry to close this many idle links that are more than it wants to keep.
    case trim(count: Int)
    /// The server shows the certificate with this fingerprint on links from now on.
    case certificate(fingerprint: String)
    /// An action of a later version, to be ignored.
    case unknown(action: String)
}

extension Signal {
    /// Its JSON object, members in NodePass's order.
    package var json: String {
        var members = [JSONValue.Member("action", .string(action))]
        func add(_ name: String, _ value: String?) {
            if let value { members.append(JSONValue.Member(name, .string(value))) }
        }
        switch self {
        case .ping, .pong, .flush, .unknown: break
        case .open(_, let id, let user):
            add("remote", user)
            add("id", id.description)
        case .verify(let id, let fingerprint):
            add("id", id.description)
            add("fp", fingerprint)
        case .refuse(let id, let why):
            add("id", id.description)
            add("why", why)
        case .trim(let count):
            members.append(JSONValue.Member("count", .int(Int64(count))))
        case .certificate(let fingerprint): add("fp", fingerprint)
        }
        return JSONValue.object(members).compactText
    }

    private var action: String {
        switch self {
        case .ping: "ping"
        case .pong: "pong"
        case .flush: "flush"
        case .open(let transport, _, _): transport.rawValue
        case .verify: "verify"
        case .refuse: "refuse"
        case .trim: "trim"
        case .certificate: "certificate"
        case .unknown(let action): action
        }
    }

    /// What `fields` say; nil when a member that the action needs is missing or is not an id.
    init?(_ fields: SignalFields) {
        let id = fields.id.flatMap { LinkID($0) }
        switch fields.action {
        case "ping": self = .ping
        case "pong": self = .pong
        case "flush": self = .flush
        case "tcp", "udp":
            guard let id, let transport = TransportProtocol(rawValue: fields.action) else { return nil }
            self = .open(transport, id: id, user: fields.remote ?? "")
        case "verify":
            guard let id else { return nil }
            self = .verify(id: id, fingerprint: fields.fp.flatMap { $0.isEmpty ? nil : $0 })
        case "refuse":
            guard let id else { return nil }
            self = .refuse(id: id, why: fields.why ?? "")
        case "trim":
            self = .trim(count: fields.count ?? 0)
        case "certificate":
            guard let fingerprint = fields.fp, !fingerprint.isEmpty else { return nil }
            self = .certificate(fingerprint: fingerprint)
        default: self = .unknown(action: fields.action)
        }
    }
}

/// The members of a signal's JSON object; unknown ones are ignored.
struct SignalFields: Decodable {
    let action: String
    var remote: String?
    var id: String?
    var fp: String?
    var why: String?
    var count: Int?
}
