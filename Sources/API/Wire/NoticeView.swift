import Config
package import FoundationEssentials
package import Reconciler
import Tunnel

/// The `data:` of a reconcile event: `type` and `time`, what it speaks of, then what is particular to its type.
package enum NoticeView {
    /// Diagnostics that an event carries at most; `GET /reconcile` has all of them.
    private static let diagnosticsInEvent = 50

    package static func payload(_ notice: ReconcileNotice, _ time: Date) -> String {
        let head = [
            JSONValue.Member("type", .string(notice.kind.rawValue)),
            JSONValue.Member("time", .string(RFC3339.text(time))),
            JSONValue.Member("tunnel", notice.subject.map { .string($0.name) } ?? .null),
            JSONValue.Member("id", notice.subject.map { .string($0.id) } ?? .null),
            JSONValue.Member("alias", notice.subject?.alias.map(JSONValue.string) ?? .null),
        ]
        return JSONValue.object(head + details(notice)).compactText
    }

    private static func details(_ notice: ReconcileNotice) -> [JSONValue.Member] {
        switch notice {
        case .plan(let report, let revision):
            return plan(report, revision) + [JSONValue.Member("steps", PlanView.stepsOfEvent(report))]
        case .apply(let report, let revision, let failing):
            let names = failing.prefix(PlanView.stepsInEvent).map(JSONValue.string)
            return plan(report, revision) + [JSONValue.Member("failing", .array(names))]
        case .reject(let diagnostics):
            let first = diagnostics.prefix(diagnosticsInEvent).map(\.view)
            return [
                JSONValue.Member("count", .int(Int64(diagnostics.count))),
                JSONValue.Member("diagnostics", .array(Array(first))),
            ]
        case .override(_, let override):
            return [JSONValue.Member("override", InstanceView.override(override, isMasked: true))]
        case .release(_, let cause, let author):
            return [JSONValue.Member("cause", .string(cause.rawValue)), JSONValue.Member("by", .string(author))]
        case .drift(_, let phase, let reason, let message, let isResolved):
            return [
                JSONValue.Member("phase", .string(phase.rawValue)),
                JSONValue.Member("reason", .string(reason?.rawValue ?? "")),
                JSONValue.Member("message", .string(message)),
                JSONValue.Member("resolved", .bool(isResolved)),
            ]
        }
    }

    private static func plan(_ report: PlanReport, _ revision: String) -> [JSONValue.Member] {
        [
            JSONValue.Member("revision", .string(revision)),
            JSONValue.Member("summary", PlanView.summary(report)),
        ]
    }
}
