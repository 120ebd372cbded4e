import Config
import Reconciler
import Tunnel

/// The wire shapes of plans: what a change would do, or has done.
enum PlanView {
    /// The whole plan, as `POST /plan` answers.
    static func object(_ report: PlanReport, revision: String, diagnostics: [Diagnostic]) -> JSONValue {
        .object([
            "revision": .string(revision),
            "changes": .bool(report.hasChanges),
            "summary": summary(report.digest),
            "steps": .array(report.steps.map(step)),
            "overridden": .array(report.overridden.map(overridden)),
            "conflicts": .array(report.conflicts.map(conflict)),
            "diagnostics": .array(diagnostics.map(\.json)),
        ])
    }

    /// How many of each there are.
    static func summary(_ digest: PlanDigest) -> JSONValue {
        let actions = PlanReport.Action.allCases.map { action in
            JSONValue.Member(action.rawValue, .int(Int64(digest.counts[action] ?? 0)))
        }
        return .object(
            actions + [
                JSONValue.Member("overridden", .int(Int64(digest.overridden))),
                JSONValue.Member("unchanged", .int(Int64(digest.unchanged))),
            ]
        )
    }

    static func step(_ step: PlanReport.Step) -> JSONValue {
        let changes = step.changes.map { change in
            JSONValue.object([
                "path": .string(change.path), "class": .string(change.class.rawValue),
                "old": .string(change.old), "new": .string(change.new),
            ])
        }
        return .object([
            "action": .string(step.action.rawValue),
            "name": .string(step.name),
            "id": .string(step.id),
            "alias": step.alias.map(JSONValue.string) ?? .null,
            "source": step.source.map { .string($0.fileAndLine) } ?? .null,
            "route": .string(step.route),
            "changes": .array(changes),
            "connections": step.connections.map(connections) ?? .null,
        ])
    }

    private static func connections(_ connections: PlanReport.Connections) -> JSONValue {
        .object([
            "count": .int(Int64(connections.count)),
            "effect": .string(connections.effect.rawValue),
            "limit": .string(GoDuration.text(connections.limit)),
        ])
    }

    static func overridden(_ overridden: PlanReport.Overridden) -> JSONValue {
        .object([
            "name": .string(overridden.name),
            "id": .string(overridden.id),
            "since": .string(RFC3339.text(overridden.override.since)),
            "until": overridden.override.until.map { .string(RFC3339.text($0)) } ?? .null,
            "by": .string(overridden.override.by),
            "present": .string(overridden.present),
            "declared": .string(overridden.declared),
        ])
    }

    private static func conflict(_ conflict: PlanReport.Conflict) -> JSONValue {
        .object([
            "address": .string(conflict.address),
            "transport": .string(conflict.transport.rawValue),
            "tunnels": .array(conflict.names.map(JSONValue.string)),
        ])
    }
}
