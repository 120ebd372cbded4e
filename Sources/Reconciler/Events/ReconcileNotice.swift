package import Config
package import FoundationEssentials
package import Tunnel

/// What the reconciler tells of its own work; each is stored before anybody sees it.
package enum ReconcileNotice: Sendable, Hashable {
    /// The instance a notice speaks of.
    package struct Subject: Sendable, Hashable {
        package let id: InstanceID
        /// The manifest's name, or the id of an API instance.
        package let name: String
        /// Of an API instance; empty where it has none, nil for what is declared.
        package let alias: String?
    }

    package enum ReleaseCause: String, Sendable, Hashable, CaseIterable {
        case request
        case expiry
        /// Its own declaration was edited: git wins.
        case edit
    }

    /// What a pass does, under this revision of the manifest.
    case plan(PlanReport, revision: String)
    /// What came of it: the names of those that do not run as they should.
    case apply(PlanReport, revision: String, failing: [String])
    /// A manifest that changed nothing.
    case reject([Diagnostic])
    case override(Subject, Override)
    case release(Subject, ReleaseCause, by: String)
    /// A tunnel no longer runs as desired, or does again (`resolved`).
    case drift(Subject, TunnelPhase, TunnelReason?, message: String, isResolved: Bool)

    package var kind: StreamEvent.Kind {
        switch self {
        case .plan: .plan
        case .apply: .apply
        case .reject: .reject
        case .override: .override
        case .release: .release
        case .drift: .drift
        }
    }

    package var subject: Subject? {
        switch self {
        case .plan, .apply, .reject: nil
        case .override(let subject, _), .release(let subject, _, _), .drift(let subject, _, _, _, _): subject
        }
    }
}

/// Renders the JSON of one notice.
package typealias NoticeRenderer = @Sendable (ReconcileNotice, Date) -> String
