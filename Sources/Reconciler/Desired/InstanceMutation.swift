package import Config
import Tunnel

/// What a new API instance is made of.
package struct CreateRequest: Sendable {
    package var tunnel: CheckedTunnel
    package var labels: TunnelLabels
    package var autostart: Bool
    package var by: Author
    /// What the author wrote about why.
    package var note: String?
    package var dryRun: Bool

    package init(
        tunnel: CheckedTunnel,
        labels: TunnelLabels = TunnelLabels(),
        autostart: Bool = true,
        by: Author,
        note: String? = nil,
        dryRun: Bool = false
    ) {
        self.tunnel = tunnel
        self.labels = labels
        self.autostart = autostart
        self.by = by
        self.note = note
        self.dryRun = dryRun
    }
}

/// The members of a PATCH; nil leaves a part as it is.
package struct InstancePatch: Sendable, Hashable {
    package enum Action: String, Sendable, Hashable, CaseIterable {
        case start
        case stop
        case restart
        case reset
    }

    package var alias: String?
    package var action: Action?
    package var autostart: Bool?
    package var peer: PeerLabel?
    package var tags: [String: String]?

    package init(
        alias: String? = nil,
        action: Action? = nil,
        autostart: Bool? = nil,
        peer: PeerLabel? = nil,
        tags: [String: String]? = nil
    ) {
        self.alias = alias
        self.action = action
        self.autostart = autostart
        self.peer = peer
        self.tags = tags
    }
}

/// Who asks for a mutation and under which conditions.
package struct MutationContext: Sendable {
    package var by: Author
    /// What the author wrote about why.
    package var note: String?
    /// How long an override of a declared tunnel lasts; nil means the manifest's policy.
    package var ttl: Duration?
    /// The `Instance.etag` or `revision` the caller has seen; another one makes the mutation stale.
    package var ifMatch: String?
    /// Check everything and answer with the result, but change nothing.
    package var dryRun: Bool

    package init(
        by: Author,
        note: String? = nil,
        ttl: Duration? = nil,
        ifMatch: String? = nil,
        dryRun: Bool = false
    ) {
        self.by = by
        self.note = note
        self.ttl = ttl
        self.ifMatch = ifMatch
        self.dryRun = dryRun
    }
}

/// Why a mutation was refused; nothing of it has been applied.
package enum MutationError: Error, Sendable, Hashable {
    case notFound
    /// The message is for the client, the code for scripts.
    case invalid(message: String, code: String)
    case conflict(String)
    /// `policy.overrides: deny`: the declaration at this place owns the tunnel.
    case denied(SourceLocation?)
    /// `ifMatch` names another state than the present one.
    case stale
    case storage(StateStoreError)
    /// The daemon holds as many instances as it accepts.
    case tooMany(limit: Int)
}

/// What a `master://` URL hands down to the tunnels created under it.
package struct MasterDefaults: Sendable, Hashable {
    package var log: LogLevel?
    package var tls: Int
    package var certificate: String?
    package var key: String?

    package init(log: LogLevel? = nil, tls: Int = 0, certificate: String? = nil, key: String? = nil) {
        self.log = log
        self.tls = tls
        self.certificate = certificate
        self.key = key
    }

    /// What a tunnel inherits where its URL does not have the parameter.
    package func parameters(for role: TunnelRole) -> [QueryParameter] {
        var inherited: [QueryParameter] = []
        if let log { inherited.append(QueryParameter(name: "log", value: log.rawValue)) }
        if role == .server, tls != 0 {
            inherited.append(QueryParameter(name: "tls", value: String(tls)))
            if tls == 2, let certificate { inherited.append(QueryParameter(name: "crt", value: certificate)) }
            if tls == 2, let key { inherited.append(QueryParameter(name: "key", value: key)) }
        }
        return inherited
    }
}
