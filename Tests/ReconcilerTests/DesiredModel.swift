import Config
import FoundationEssentials
import Reconciler

/// What the documentation says of ownership, in so few lines that they can be read against it.
struct DesiredModel: Sendable {
    struct Tunnel: Sendable, Hashable {
        /// Port, wish, alias and autostart as people see them.
        struct View: Sendable, Hashable {
            var port: Int
            var isRunning: Bool
            var alias: String
            var autostart = true
        }

        /// The last good declaration, or what an API instance is.
        var declared: View
        /// The alias that the manifest sets; empty for none.
        var declaredAlias = ""
        var visible: View
        var isDeclared = true
        var isOverridden = false
        var isDeleted = false
        /// When its override ends by itself.
        var until: Date?

        init(_ declared: View) {
            self.declared = declared
            visible = declared
        }

        /// After an edit; an alias that REST set stays until the manifest sets another one.
        init(_ declared: View, declaredAlias: String, after former: Tunnel?) {
            self.init(declared)
            self.declaredAlias = declaredAlias
            guard let former, !former.isDeclared || former.isAliasOverridden else { return }
            let isKnown = former.isDeclared && declaredAlias == former.declaredAlias
            guard declaredAlias.isEmpty || isKnown, former.visible.alias != declared.alias else { return }
            visible.alias = former.visible.alias
            isOverridden = true
        }

        var isAliasOverridden: Bool { isOverridden && visible.alias != declared.alias }

        /// Whether more than its alias is overridden, which an edit and the expiry end.
        var isStateOverridden: Bool {
            var aliasAlone = declared
            aliasAlone.alias = visible.alias
            return isDeleted || visible != aliasAlone
        }

        mutating func expire() {
            let alias = isStateOverridden ? visible.alias : declared.alias
            release()
            visible.alias = alias
            isOverridden = visible != declared
        }

        mutating func release() {
            guard isDeclared else { return }
            let alias = declaredAlias
            self = Tunnel(declared)
            declaredAlias = alias
        }
    }

    private(set) var tunnels: [String: Tunnel] = [:]
    private(set) var policy = ManifestPolicy()

    mutating func declare(_ declarations: [String: DeclaredTunnel?], _ policy: ManifestPolicy, prune: Bool) {
        self.policy = policy
        for (name, tunnel) in tunnels where tunnel.isDeclared && declarations[name] == nil {
            tunnels[name] = policy.prune && prune || tunnel.isDeleted ? nil : tunnel.orphaned
        }
        for (name, declaration) in declarations {
            guard let declaration else { continue }
            let alias = declaration.alias.isEmpty ? name : declaration.alias
            let said = Tunnel.View(port: declaration.port, isRunning: declaration.isRunning, alias: alias)
            let isEdit = tunnels[name].map { !$0.isDeclared || $0.declared != said } ?? true
            if isEdit { tunnels[name] = Tunnel(said, declaredAlias: declaration.alias, after: tunnels[name]) }
        }
    }

    /// The refusal, when there is one.
    mutating func change(
        _ name: String,
        at now: Date,
        namesState: Bool,
        _ change: (inout Tunnel) -> Void
    ) -> MutationError? {
        guard var tunnel = tunnels[name], !tunnel.isDeleted else { return .notFound }
        guard policy.overridesAllowed || !tunnel.isDeclared else { return .denied(nil) }
        let before = tunnel.visible
        change(&tunnel)
        if tunnel.isDeclared {
            tunnel.isOverridden = tunnel.isDeleted || tunnel.visible != tunnel.declared
            let lasts = policy.overrideTTL == .zero
            if namesState || before.isRunning != tunnel.visible.isRunning {
                tunnel.until = lasts ? nil : now.addingTimeInterval(60)
            }
            if !tunnel.isStateOverridden { tunnel.until = nil }
        } else {
            tunnel.declared = tunnel.visible
        }
        tunnels[name] = tunnel.isDeclared || !tunnel.isDeleted ? tunnel : nil
        return nil
    }

    mutating func release(_ name: String) -> MutationError? {
        guard tunnels[name] != nil else { return .notFound }
        tunnels[name]?.release()
        return nil
    }

    mutating func expire(at now: Date) {
        for (name, tunnel) in tunnels where tunnel.until.map({ $0 <= now }) ?? false { tunnels[name]?.expire() }
    }

    mutating func daemonStarted() {
        policy = ManifestPolicy()
        for (name, tunnel) in tunnels where !tunnel.visible.autostart && !tunnel.isDeleted {
            tunnels[name]?.visible.isRunning = false
            if !tunnel.isDeclared { tunnels[name]?.declared.isRunning = false }
        }
    }
}

extension DesiredModel.Tunnel {
    fileprivate var orphaned: DesiredModel.Tunnel {
        var orphan = DesiredModel.Tunnel(visible)
        orphan.isDeclared = false
        return orphan
    }
}
