package import FoundationEssentials
package import Tunnel

/// Something that keeps users, or the next edit, from being served; every output of problems is made from these.
package struct Problem: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        /// The tunnel should run and cannot.
        case failing
        /// Users are connected to no target.
        case targetDown = "target-down"
        /// The other end of the tunnel is not connected.
        case peerMissing = "peer-missing"
        /// A certificate has expired, or will soon.
        case certificate
        /// The declaration on disk has errors: what runs is its last good form.
        case invalidDeclaration = "invalid-declaration"
        /// The manifest on disk cannot be read: what runs is the last good one.
        case manifestRejected = "manifest-rejected"
        /// An override that may have been forgotten.
        case oldOverride = "old-override"
        /// The store refuses writes.
        case storage
        /// Users are refused because no file descriptor is free.
        case descriptors
        /// The API does not listen on TCP.
        case api

        /// Whether another event reports its beginning and its end.
        var hasEventOfItsOwn: Bool { self == .failing || self == .manifestRejected }

        /// In a few words, for a table.
        package var words: String {
            switch self {
            case .failing: "failing"
            case .targetDown: "target down"
            case .peerMissing: "no peer"
            case .certificate: "certificate"
            case .invalidDeclaration: "declaration invalid"
            case .manifestRejected: "manifest rejected"
            case .oldOverride: "old override"
            case .storage: "storage"
            case .descriptors: "no descriptors"
            case .api: "API"
            }
        }
    }

    package let kind: Kind
    /// Nil where it is about the daemon.
    package let id: InstanceID?
    /// Of the tunnel: its name, else its alias, else its id; for a declaration without a tunnel its name.
    package let name: String?
    /// The target, peer or listening address that it is about.
    package var address: String?
    package var since: Date?
    /// What is wrong, in a sentence.
    package let text: String
    /// What to do about it; may be empty.
    package let remedy: String
    /// False for what serves now and needs a look soon.
    package var isUrgent = true

    package init(_ kind: Kind, id: InstanceID? = nil, name: String? = nil, _ text: String, remedy: String) {
        self.kind = kind
        self.id = id
        self.name = name
        self.text = text
        self.remedy = remedy
    }

    /// What it is, whatever its words are at this moment.
    var identity: Identity { Identity(kind: kind, subject: id ?? name ?? "", address: address ?? "") }

    struct Identity: Sendable, Hashable {
        let kind: Kind
        let subject: String
        let address: String
    }
}

extension Problem {
    /// How long the other end of a tunnel may be away: shorter than a person notices, longer than a restart takes.
    package static let peerPatience: TimeInterval = 30
    /// From this age on an override may have been forgotten.
    package static let overrideAge: TimeInterval = 86_400

    /// Urgent ones first, and of those the daemon's own; then by kind, name and address.
    static func precedes(_ a: Problem, _ b: Problem) -> Bool {
        if a.isUrgent != b.isUrgent { return a.isUrgent }
        if (a.name == nil) != (b.name == nil) { return a.name == nil }
        let order = Kind.allCases
        let (first, second) = (order.firstIndex(of: a.kind) ?? 0, order.firstIndex(of: b.kind) ?? 0)
        if first != second { return first < second }
        return (a.name ?? "", a.address ?? "") < (b.name ?? "", b.address ?? "")
    }
}
