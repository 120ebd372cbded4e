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
    /// Who made it: the remote address of the request, or `socket`.
    package var by: String
    /// The revision of the declaration it applies to.
    package var revision: String

    package init(since: Date, until: Date?, by: String, revision: String) {
        self.deleted = false
        self.since = since
        self.until = until
        self.by = by
        self.revision = revision
    }
}

/// An edit of a declaration, as far as overrides depend on it.
struct DeclarationEdit {
    let revision: String
    /// The labels that the new declaration sets to another value than the one before, and so replaces.
    let setLabels: Set<Label>
    /// As people see them.
    let labels: TunnelLabels

    enum Label: String, CaseIterable {
        case alias, tags, peer
    }

    /// `former` are the labels of the last good declaration.
    init(from former: TunnelLabels, to declaration: TunnelDeclaration) {
        revision = declaration.revision
        labels = declaration.labels.visible(name: declaration.name)
        setLabels = Set(
            Label.allCases.filter { declaration.sets($0) && !$0.isEqual(former, declaration.labels) }
        )
    }
}

extension Override {
    /// What is left of the override once its declaration has been edited; nil where nothing is.
    ///
    /// A dashboard keeps its bindings in labels, which an edit of another field must not break:
    /// they last until the declaration itself sets that label.
    func remaining(after edit: DeclarationEdit) -> Override? {
        var remaining = Override(since: since, until: until, by: by, revision: edit.revision)
        if !edit.setLabels.contains(.alias), alias != edit.labels.alias { remaining.alias = alias }
        if !edit.setLabels.contains(.tags), tags != edit.labels.tags { remaining.tags = tags }
        if !edit.setLabels.contains(.peer), peer != edit.labels.peer { remaining.peer = peer }
        return remaining.changesSomething ? remaining : nil
    }

    /// Whether both change the same, whatever revision they apply to.
    func isEqual(to other: Override) -> Bool {
        var other = other
        other.revision = revision
        return self == other
    }

    var changesSomething: Bool {
        deleted || url != nil || alias != nil || tags != nil || peer != nil || autostart != nil || running != nil
    }
}

extension DeclarationEdit.Label {
    fileprivate func isEqual(_ a: TunnelLabels, _ b: TunnelLabels) -> Bool {
        switch self {
        case .alias: a.alias == b.alias
        case .tags: a.tags == b.tags
        case .peer: a.peer == b.peer
        }
    }
}

extension TunnelDeclaration {
    /// Whether the manifest has that key for this tunnel, be it with an empty value.
    fileprivate func sets(_ label: DeclarationEdit.Label) -> Bool {
        fieldSources.keys.contains { $0 == label.rawValue || $0.hasPrefix(label.rawValue + ".") }
    }
}
