import Config
package import Reconciler
import Tunnel

/// The outcome of every tunnel after a reconcile was asked for.
package struct OutcomeView: WireView {
    package struct Source: Sendable {
        let status: ReconcileStatus
        let tunnels: [AppliedInstance]

        var behind: Int { tunnels.count { $0.outcome == .failed || $0.outcome == .pending } }
    }

    package static let name = "Outcome"
    package static let summary = "The outcome of every tunnel"
    package static let table = WireTable(OutcomeView())

    package let revision = Field("revision", .revision("Revision of the manifest that is applied")) {
        $0.status.appliedRevision
    }
    package let behind = Field("behind", .count("How many are pending or failed")) { $0.behind }
    package let invalid = Field("invalid", .texts("Names with an invalid declaration: these tunnels stay as they were"))
    {
        $0.status.invalidNames
    }
    package let tunnels = Field("tunnels", .list(.object(TunnelOutcome.self))) { $0.tunnels }

    package init() {}

    package struct TunnelOutcome: WireView {
        package typealias Source = AppliedInstance

        package static let name = "TunnelOutcome"
        package static let summary = "The outcome of one tunnel"
        package static let table = WireTable(TunnelOutcome())

        package let id = Field("id", .id) { $0.instance.id }
        package let name = Field("name", .name) { $0.instance.name }
        package let alias = Field("alias", .text("Name shown in dashboards")) { $0.instance.labels.alias }
        package let revision = Field("revision", .revision("Revision of the declaration that is applied")) {
            $0.instance.revision
        }
        package let outcome = Field(
            "outcome",
            .words(
                AppliedInstance.Outcome.allCases.map(\.rawValue),
                "`waiting` is as declared but its other end is missing; `pending` was not ready in time"
            )
        ) { $0.outcome.rawValue }
        package let phase = Field("phase", .phase) { $0.instance.phase.rawValue }
        package let reason = Field("reason", .reason) { $0.instance.status?.reason?.rawValue ?? "" }
        package let message = Field("message", .text("In a sentence; may be empty")) {
            InstanceView.message($0.instance)
        }

        package init() {}
    }
}
