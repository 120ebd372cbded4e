package import Config
package import FoundationEssentials
package import Reconciler
package import Tunnel

/// The `data:` of a reconcile event: what every one has, then what is particular to its type.
package struct NoticeView: WireView {
    package struct Source: Sendable {
        let notice: ReconcileNotice
        let time: Date
    }

    package static let name = "Notice"
    package static let summary = "What the reconciler did, and why"
    package static let table = WireTable(NoticeView())

    package let type = Field(
        "type",
        .words(
            [StreamEvent.Kind.plan, .apply, .reject, .override, .release, .request, .problem, .drift].map(\.rawValue),
            "The event's name again"
        )
    ) { $0.notice.kind.rawValue }
    package let time = Field("time", .time("Time of the event")) { $0.time }
    package let tunnel = Field("tunnel", .nullable(.text("The name, or else the id, of the tunnel it is about"))) {
        $0.notice.subject?.name
    }
    package let id = Field("id", .nullable(.id)) { $0.notice.subject?.id }
    package let alias = Field(
        "alias",
        .nullable(.text("The alias of an instance that was created through the API; may be empty"))
    ) { $0.notice.subject?.alias }

    package init() {}

    package static func payload(_ notice: ReconcileNotice, _ time: Date) -> String {
        object(notice, time).compactText
    }

    /// Nil for an event that is not the reconciler's.
    static func object(_ event: RecordedEvent) -> JSONValue? {
        guard case .notice(let notice) = event.content else { return nil }
        return object(notice, event.time)
    }

    private static func object(_ notice: ReconcileNotice, _ time: Date) -> JSONValue {
        .object(members(Source(notice: notice, time: time)) + details(notice))
    }

    private static func details(_ notice: ReconcileNotice) -> [JSONValue.Member] {
        switch notice {
        case .plan(let digest, let revision): Planned.members((digest, revision))
        case .apply(let digest, let revision, let failing): Applied.members((digest, revision, failing))
        case .reject(let count, let first): Rejected.members((count, first))
        case .override(_, let override): Overridden.members(override)
        case .release(_, let cause, let author, let note): Released.members((cause, author, note))
        case .request(_, let change, let author, let note): Requested.members((change, author, note))
        case .problem(_, let kind, let message, let isResolved): ProblemChange.members((kind, message, isResolved))
        case .drift(_, let phase, let reason, let message, let isResolved):
            Drift.members((phase, reason, message, isResolved))
        }
    }
}

/// The particulars of one type of notice; its schema has the members of every notice, too.
package protocol NoticeDetails: WireView {}

extension NoticeDetails {
    package static var schema: JSONValue {
        Schema.record(summary, NoticeView.properties + properties, required: NoticeView.required + required)
    }
}

extension NoticeView {
    package struct Planned: NoticeDetails {
        package typealias Source = (digest: PlanDigest, revision: String)

        package static let name = "PlanEvent"
        package static let summary = "A pass is about to change something"
        package static let table = WireTable(Planned())

        package let revision = Field("revision", .revision("Revision of the manifest")) { $0.revision }
        package let counts = Field("summary", .object(PlanView.Summary.self)) { $0.digest }
        package let steps = Field("steps", .list(.object(PlanView.Step.self), "The first steps, long texts shortened"))
        {
            $0.digest.steps
        }

        package init() {}
    }

    package struct Applied: NoticeDetails {
        package typealias Source = (digest: PlanDigest, revision: String, failing: [String])

        package static let name = "ApplyEvent"
        package static let summary = "A pass has changed something"
        package static let table = WireTable(Applied())

        package let revision = Field("revision", .revision("Revision of the manifest")) { $0.revision }
        package let counts = Field("summary", .object(PlanView.Summary.self)) { $0.digest }
        package let failing = Field("failing", .texts("Names of the tunnels that do not run as declared")) {
            $0.failing
        }

        package init() {}
    }

    package struct Rejected: NoticeDetails {
        package typealias Source = (count: Int, first: [Diagnostic])

        package static let name = "RejectEvent"
        package static let summary = "A manifest was rejected and changed nothing"
        package static let table = WireTable(Rejected())

        package let count = Field("count", .count("How many diagnostics there are")) { $0.count }
        package let diagnostics = Field("diagnostics", .list(.object(DiagnosticView.self), "The first diagnostics")) {
            $0.first
        }

        package init() {}
    }

    package struct Overridden: NoticeDetails {
        package typealias Source = Override

        package static let name = "OverrideEvent"
        package static let summary = "A request changed a declared tunnel"
        package static let table = WireTable(Overridden())

        package let override = Field("override", .object(OverrideView.self)) {
            OverrideView.Source($0, isMasked: true)
        }

        package init() {}
    }

    package struct Released: NoticeDetails {
        package typealias Source = (cause: ReconcileNotice.ReleaseCause, author: Author, note: String?)

        package static let name = "ReleaseEvent"
        package static let summary = "The manifest applies again"
        package static let table = WireTable(Released())

        package let cause = Field(
            "cause",
            .words(ReconcileNotice.ReleaseCause.allCases.map(\.rawValue), "What ended the override")
        ) { $0.cause.rawValue }
        package let by = Field("by", .author) { $0.author }
        package let note = Field(optional: "note", .note) { $0.note }

        package init() {}
    }

    package struct Requested: NoticeDetails {
        package typealias Source = (change: ReconcileNotice.RequestedChange, author: Author, note: String?)

        package static let name = "RequestEvent"
        package static let summary = "A request changed an instance, without an override"
        package static let table = WireTable(Requested())

        package let change = Field(
            "change",
            .words(ReconcileNotice.RequestedChange.allCases.map(\.rawValue), "What was asked for")
        ) { $0.change.rawValue }
        package let by = Field("by", .author) { $0.author }
        package let note = Field(optional: "note", .note) { $0.note }

        package init() {}
    }

    package struct ProblemChange: NoticeDetails {
        package typealias Source = (kind: Problem.Kind, message: String, isResolved: Bool)

        package static let name = "ProblemEvent"
        package static let summary = "A problem has begun, or has ended"
        package static let table = WireTable(ProblemChange())

        package let kind = Field("kind", .problemKind) { $0.kind.rawValue }
        package let message = Field("message", .text("What is, or was, wrong")) { $0.message }
        package let resolved = Field("resolved", .flag("Whether it has ended")) { $0.isResolved }

        package init() {}
    }

    package struct Drift: NoticeDetails {
        package typealias Source = (phase: TunnelPhase, reason: TunnelReason?, message: String, isResolved: Bool)

        package static let name = "DriftEvent"
        package static let summary = "A tunnel has failed, or has recovered"
        package static let table = WireTable(Drift())

        package let phase = Field("phase", .phase) { $0.phase.rawValue }
        package let reason = Field("reason", .reason) { $0.reason?.rawValue ?? "" }
        package let message = Field("message", .text("In a sentence; may be empty")) { $0.message }
        package let resolved = Field("resolved", .flag("Whether it has recovered")) { $0.isResolved }

        package init() {}
    }
}
