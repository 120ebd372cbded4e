import Config
import FoundationEssentials
import Reconciler
import Tunnel

/// The `data:` of a reconcile event: `type` and `time`, what it is about, then what is particular to its type.
enum NoticeView {
    static func payload(_ notice: ReconcileNotice, _ time: Date) -> String {
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
        case .plan(let digest, let revision):
            return plan(digest, revision) + [JSONValue.Member("steps", .array(digest.steps.map(PlanView.step)))]
        case .apply(let digest, let revision, let failing):
            let names = failing.map(JSONValue.string)
            return plan(digest, revision) + [JSONValue.Member("failing", .array(names))]
        case .reject(let count, let first):
            return [
                JSONValue.Member("count", .int(Int64(count))),
                JSONValue.Member("diagnostics", .array(first.map(\.json))),
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

    private static func plan(_ digest: PlanDigest, _ revision: String) -> [JSONValue.Member] {
        [
            JSONValue.Member("revision", .string(revision)),
            JSONValue.Member("summary", PlanView.summary(digest)),
        ]
    }
}
