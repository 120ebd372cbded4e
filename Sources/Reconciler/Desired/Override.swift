package import Config
package import FoundationEssentials

/// What REST changed on a declared tunnel; a member that is nil leaves the declaration's value.
///
/// The labels (alias, tags, peer) and the rest end differently when the declaration is edited: see
/// ``remaining(after:)``.
package struct Override: Sendable, Hashable {
    package var running: Bool?
    package var url: String?
    package var alias: String?
    package var tags: [String: String]?
    package var peer: PeerLabel?
    package var autostart: Bool?
    package var deleted: Bool
    package var since: Date
    package var until: Date?
    /// Who made it, and what they wrote about why.
    package var by: Author
    package var note: String?
    /// The revision of the declaration it applies to.
    package var revision: String

    package init(since: Date, until: Date?, by: Author, note: String? = nil, revision: String) {
        self.deleted = false
        self.since = since
        self.until = until
        self.by = by
        self.note = note
        self.revision = revision
    }
}

/// An edit of a declaration, as far as overrides depend on it.
struct DeclarationEdit {
    let revision: String
    /// The labels that the new declaration sets, to another value than the one before if there was one, and so replaces.
    private let setLabels: Set<Label>
    /// As people see them.
    let labels: TunnelLabels

    /// A key of the manifest.
    enum Label: String, CaseIterable {
        case alias, tags
        case peerSID = "peer.sid"
        case peerType = "peer.type"
        case peerAlias = "peer.alias"
    }

    /// `former` are the labels of the last good declaration, nil where this is the first one.
    init(from former: TunnelLabels?, to declaration: TunnelDeclaration) {
        revision = declaration.revision
        labels = declaration.labels.visible(name: declaration.name)
        setLabels = Set(
            Label.allCases.filter { label in
                declaration.sets(label) && !(former.map { label.isEqual($0, declaration.labels) } ?? false)
            }
        )
    }

    func sets(_ label: Label) -> Bool { setLabels.contains(label) }
}

extension Override {
    /// What is left of the override once its declaration has been edited; nil where nothing is.
    ///
    /// A dashboard keeps its bindings in labels, which an edit of another field must not break:
    /// they last until the declaration itself sets that label.
    func remaining(after edit: DeclarationEdit) -> Override? {
        var remaining = labelsAlone
        remaining.revision = edit.revision
        if edit.sets(.alias) || alias == edit.labels.alias { remaining.alias = nil }
        if edit.sets(.tags) || tags == edit.labels.tags { remaining.tags = nil }
        if edit.sets(.peerSID) { remaining.peer?.sid = edit.labels.peer.sid }
        if edit.sets(.peerType) { remaining.peer?.type = edit.labels.peer.type }
        if edit.sets(.peerAlias) { remaining.peer?.alias = edit.labels.peer.alias }
        if remaining.peer == edit.labels.peer { remaining.peer = nil }
        return remaining.changesSomething ? remaining : nil
    }

    /// What is left when its time has come; nil where nothing is.
    ///
    /// The expiry is the state's. Labels go with it only where nothing else was overridden.
    var remainingAfterExpiry: Override? {
        guard changesState else { return nil }
        let remaining = labelsAlone
        return remaining.changesSomething ? remaining : nil
    }

    /// Without what it changes of the state, and without the expiry of that.
    private var labelsAlone: Override {
        let end = changesState ? nil : until
        var labels = Override(since: since, until: end, by: by, note: note, revision: revision)
        labels.alias = alias
        labels.tags = tags
        labels.peer = peer
        return labels
    }

    /// Whether both change the same, whatever revision they apply to.
    func isEqual(to other: Override) -> Bool {
        var other = other
        other.revision = revision
        return self == other
    }

    var changesSomething: Bool { changesState || alias != nil || tags != nil || peer != nil }

    /// Whether it changes more than labels.
    var changesState: Bool { deleted || url != nil || autostart != nil || running != nil }
}

extension DeclarationEdit.Label {
    fileprivate func isEqual(_ a: TunnelLabels, _ b: TunnelLabels) -> Bool {
        switch self {
        case .alias: a.alias == b.alias
        case .tags: a.tags == b.tags
        case .peerSID: a.peer.sid == b.peer.sid
        case .peerType: a.peer.type == b.peer.type
        case .peerAlias: a.peer.alias == b.peer.alias
        }
    }
}

extension TunnelDeclaration {
    /// Whether the manifest has that key for this tunnel, be it with an empty value.
    fileprivate func sets(_ label: DeclarationEdit.Label) -> Bool {
        // `peer: {}` sets nothing; `tags: {}` sets them to none.
        fieldSources.keys.contains { $0 == label.rawValue || $0.hasPrefix(label.rawValue + ".") }
    }
}
