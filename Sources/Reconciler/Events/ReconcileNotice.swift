package import Config
package import Tunnel

/// What the reconciler reports of its own work; each is stored before a client sees it.
package enum ReconcileNotice: Sendable, Hashable {
    /// The instance a notice is about.
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
        /// Its own declaration was edited: the manifest wins on an edit.
        case edit
    }

    /// What a request did that is neither an override nor the end of one.
    package enum RequestedChange: String, Sendable, Hashable, CaseIterable {
        case create, start, stop, restart, reset, delete
        /// Its labels, or whether it starts with the daemon.
        case edit
        /// Its URL.
        case replace
        case forgetPeer = "forget-peer"
    }

    /// What a pass does, under this revision of the manifest.
    case plan(PlanDigest, revision: String)
    /// What came of it: the names of those that do not run as they should.
    case apply(PlanDigest, revision: String, failing: [String])
    /// A manifest that changed nothing: how many problems it has, and the first of them.
    case reject(count: Int, first: [Diagnostic])
    case override(Subject, Override)
    case release(Subject, ReleaseCause, by: Author, note: String?)
    case request(Subject, RequestedChange, by: Author, note: String?)
    /// A problem has begun, or has ended (`resolved`).
    case problem(Subject?, Problem.Kind, message: String, isResolved: Bool)
    /// A tunnel no longer runs as desired, or does again (`resolved`).
    case drift(Subject, TunnelPhase, TunnelReason?, message: String, isResolved: Bool)

    package var kind: StreamEvent.Kind {
        switch self {
        case .plan: .plan
        case .apply: .apply
        case .reject: .reject
        case .override: .override
        case .release: .release
        case .request: .request
        case .problem: .problem
        case .drift: .drift
        }
    }

    /// Who caused it; nil for what the reconciler does by itself.
    package var author: Author? {
        switch self {
        case .override(_, let override): override.by
        case .release(_, _, let author, _), .request(_, _, let author, _): author
        case .plan, .apply, .reject, .problem, .drift: nil
        }
    }

    /// What the author wrote about why.
    package var note: String? {
        switch self {
        case .override(_, let override): override.note
        case .release(_, _, _, let note), .request(_, _, _, let note): note
        case .plan, .apply, .reject, .problem, .drift: nil
        }
    }

    package var subject: Subject? {
        switch self {
        case .plan, .apply, .reject: nil
        case .problem(let subject, _, _, _): subject
        case .override(let subject, _), .release(let subject, _, _, _), .request(let subject, _, _, _),
            .drift(let subject, _, _, _, _):
            subject
        }
    }
}

extension Override {
    /// In one word, the gravest of what it changes.
    package var change: ReconcileNotice.RequestedChange {
        if deleted { return .delete }
        if let running { return running ? .start : .stop }
        return url == nil ? .edit : .replace
    }
}

extension ReconcileNotice {
    /// Diagnostics and names that one notice carries at most; `GET /reconcile` has all of them.
    static let itemLimit = 50

    static func problem(_ change: ProblemWatch.Change) -> ReconcileNotice {
        switch change {
        case .began(let problem): .problem(subject(of: problem), problem.kind, message: problem.text, isResolved: false)
        case .ended(let problem): .problem(subject(of: problem), problem.kind, message: problem.text, isResolved: true)
        }
    }

    /// Nil for a problem of the daemon, and for a declaration that has no tunnel.
    private static func subject(of problem: Problem) -> Subject? {
        problem.id.map { Subject(id: $0, name: problem.name ?? $0, alias: nil) }
    }

    static func reject(_ diagnostics: [Diagnostic]) -> ReconcileNotice {
        .reject(count: diagnostics.count, first: Array(diagnostics.prefix(itemLimit)))
    }
}

extension DesiredState {
    func subject(_ id: InstanceID) -> ReconcileNotice.Subject {
        records[id].map(subject) ?? ReconcileNotice.Subject(id: id, name: id, alias: nil)
    }

    func subject(_ record: InstanceRecord) -> ReconcileNotice.Subject {
        let alias = record.origin == .api ? record.labels.alias : nil
        return ReconcileNotice.Subject(id: record.id, name: record.name ?? record.id, alias: alias)
    }

    /// How logs and notices name an instance: its name in the manifest, or its id.
    func label(_ id: InstanceID) -> String {
        records[id]?.name ?? id
    }
}

extension DeclareOutcome {
    /// What became of overrides whose declaration was edited: ended, or left with its labels.
    func notices(_ state: DesiredState) -> [ReconcileNotice] {
        overtaken.flatMap { id in
            let subject = state.subject(id)
            let remaining = state.records[id]?.override.map { ReconcileNotice.override(subject, $0) }
            return [.release(subject, .edit, by: .manifest, note: nil)] + [remaining].compactMap { $0 }
        }
    }
}
