package import Config
package import Reconciler
import Tunnel

/// What a manifest would change.
package struct PlanView: WireView {
    package struct Source: Sendable {
        let report: PlanReport
        let revision: String
        let diagnostics: [Diagnostic]
    }

    package static let name = "Plan"
    package static let summary = "What a manifest would change"
    package static let table = WireTable(PlanView())

    package let revision = Field("revision", .revision("Revision of that manifest")) { $0.revision }
    package let changes = Field("changes", .flag("Whether it would change anything")) { $0.report.hasChanges }
    package let counts = Field("summary", .object(Summary.self)) { $0.report.digest }
    package let steps = Field("steps", .list(.object(Step.self), "In the order of execution")) { $0.report.steps }
    package let overridden = Field(
        "overridden",
        .list(.object(Overridden.self), "Tunnels that stay as requests have changed them")
    ) { $0.report.overridden }
    package let conflicts = Field(
        "conflicts",
        .list(.object(Conflict.self), "Addresses that more than one tunnel would use")
    ) {
        $0.report.conflicts
    }
    package let diagnostics = Field(
        "diagnostics",
        .list(.object(DiagnosticView.self), "What the reader of the manifest has found")
    ) { $0.diagnostics }

    package init() {}
}

extension PlanView {
    /// How many tunnels each kind of step concerns.
    package struct Summary: WireView {
        package typealias Source = PlanDigest

        package static let name = "PlanSummary"
        package static let summary = "How many tunnels each kind of step affects"
        package static let table = WireTable(Summary())

        package let create = count(.create, "Tunnels to create")
        package let start = count(.start, "Tunnels to start")
        package let stop = count(.stop, "Tunnels to stop")
        package let meta = count(.meta, "Tunnels that get other labels and nothing else")
        package let live = count(.live, "Tunnels that change without closing anything")
        package let session = count(.session, "Tunnels that get a new session")
        package let rebind = count(.rebind, "Tunnels that move to another address")
        package let restart = count(.restart, "Tunnels to restart")
        package let delete = count(.delete, "Tunnels to delete")
        package let adopt = count(.adopt, "Instances of the API that the manifest takes over")
        package let overridden = Field("overridden", .count("Tunnels that stay as requests have changed them")) {
            $0.overridden
        }
        package let unchanged = Field("unchanged", .count("Tunnels that stay as they are")) { $0.unchanged }

        package init() {}

        private static func count(_ action: PlanReport.Action, _ description: String) -> Field<Int64> {
            Field(action.rawValue, .count(description)) { $0.counts[action] ?? 0 }
        }
    }

    /// What would be done with one tunnel.
    package struct Step: WireView {
        package typealias Source = PlanReport.Step

        package static let name = "Step"
        package static let summary = "What would be done with one tunnel"
        package static let table = WireTable(Step())

        package let action = Field(
            "action",
            .words(
                PlanReport.Action.allCases.map(\.rawValue),
                "What is done; `adopt` takes over an instance that was created through the API, and may change it"
            )
        ) { $0.action.rawValue }
        package let name = Field("name", .text("Its name, or its id", example: "web")) { $0.name }
        package let id = Field("id", .id) { $0.id }
        package let alias = Field(
            "alias",
            .nullable(.text("The alias of an instance that was created through the API; may be empty"))
        ) { $0.alias }
        package let source = Field("source", .source) { $0.source }
        package let route = Field(
            "route",
            .text("From where to where", example: "client://127.0.0.1:6380 → 10.0.0.7:6379")
        ) { $0.route }
        package let changes = Field("changes", .list(.object(Change.self))) { $0.changes }
        package let connections = Field("connections", .nullable(.object(Connections.self))) { $0.connections }

        package init() {}
    }

    /// One key that changes.
    package struct Change: WireView {
        package typealias Source = FieldChange

        package static let name = "Change"
        package static let summary = "One key that changes; what came from references, and keys, are masked"
        package static let table = WireTable(Change())

        package let path = Field("path", .text("Its path in a manifest", example: "limits.rate")) { $0.path }
        package let changeClass = Field("class", .changeClass) { $0.class.rawValue }
        package let old = Field("old", .text("Value before, as text", example: "0")) { $0.old }
        package let new = Field("new", .text("Value after, as text", example: "100Mbps")) { $0.new }

        package init() {}
    }

    /// What happens to the open connections.
    package struct Connections: WireView {
        package typealias Source = PlanReport.Connections

        package static let name = "Connections"
        package static let summary = "What happens to the open connections"
        package static let table = WireTable(Connections())

        package let count = Field("count", .count("How many")) { $0.count }
        package let effect = Field(
            "effect",
            .words(PlanReport.Connections.Effect.allCases.map(\.rawValue), "What happens to them")
        ) { $0.effect.rawValue }
        package let limit = Field("limit", .text("How long they may finish", example: "30s")) {
            GoDuration.text($0.limit)
        }

        package init() {}
    }

    /// A declared tunnel that a request has changed.
    package struct Overridden: WireView {
        package typealias Source = PlanReport.Overridden

        package static let name = "Overridden"
        package static let summary = "A declared tunnel that a request has changed"
        package static let table = WireTable(Overridden())

        package let name = Field("name", .text("Its name", example: "web")) { $0.name }
        package let id = Field("id", .id) { $0.id }
        package let source = Field("source", .source) { $0.source }
        package let since = Field("since", .time("When it was made")) { $0.override.since }
        package let until = Field("until", .nullable(.time("When it ends by itself"))) { $0.override.until }
        package let by = Field("by", .author) { $0.override.by }
        package let note = Field(optional: "note", .note) { $0.override.note }
        package let present = Field("present", .text("What it is", example: "stopped")) { $0.present }
        package let declared = Field("declared", .text("What the manifest says", example: "running")) { $0.declared }

        package init() {}
    }

    /// An address that more than one tunnel would use.
    package struct Conflict: WireView {
        package typealias Source = PlanReport.Conflict

        package static let name = "Conflict"
        package static let summary = "An address that more than one tunnel would use"
        package static let table = WireTable(Conflict())

        package let address = Field("address", .text("The address", example: "0.0.0.0:80")) { $0.address }
        package let transport = Field("transport", .words(["tcp", "udp"], "The protocol")) { $0.transport.rawValue }
        package let tunnels = Field("tunnels", .texts("Their names")) { $0.names }

        package init() {}
    }
}
