import Config
package import Reconciler
import Tunnel

/// How far the daemon has come with its manifest.
package struct ReconcileView: WireView {
    package struct Source: Sendable {
        let isReady: Bool
        let status: ReconcileStatus
        let overridden: Int
        let instances: [Instance]
        let leaving: [LeavingInstance]
        let apiProblem: String?
    }

    package static let name = "Reconcile"
    package static let summary = "The state of the reconciler"
    package static let table = WireTable(ReconcileView())

    package let ready = Field("ready", .flag("Whether the first pass is done")) { $0.isReady }
    package let observed = Field("observed", .revision("Revision of the manifest that was last read")) {
        $0.status.observedRevision
    }
    package let applied = Field("applied", .revision("Revision of the manifest that a pass has applied")) {
        $0.status.appliedRevision
    }
    package let lastPass = Field("lastPass", .nullable(.time("When the last pass ended"))) { $0.status.lastPass }
    package let passMilliseconds = Field("passMilliseconds", .number("How long it took")) { source in
        (source.status.passDuration / .milliseconds(1) * 1000).rounded() / 1000
    }
    package let passes = Field("passes", .count("Since the start")) { $0.status.passes }
    package let actions = Field("actions", .count("Steps of all passes since the start")) { $0.status.actions }
    package let rejections = Field("rejections", .count("Manifests that changed nothing, since the start")) {
        $0.status.rejections
    }
    package let rejection = Field("rejection", .nullable(.object(Rejection.self))) { $0.status.rejection }
    package let diagnostics = Field(
        "diagnostics",
        .list(.object(DiagnosticView.self), "What the reader of the manifest has found")
    ) { $0.status.diagnostics }
    package let invalid = Field("invalid", .texts("Names with an invalid declaration: these tunnels stay as they were"))
    {
        $0.status.invalidNames
    }
    package let overridden = Field("overridden", .count("Declared tunnels that requests have changed")) {
        $0.overridden
    }
    package let failing = Field("failing", .count("Tunnels in backoff or failed")) { source in
        source.instances.count { $0.phase.isFailing }
    }
    package let storage = Field("storage", .nullable(.text("What keeps the store from taking writes"))) {
        $0.status.storageProblem?.description
    }
    package let api = Field("api", .nullable(.text("Why the API does not listen on TCP; it tries again"))) {
        $0.apiProblem
    }
    package let tunnels = Field("tunnels", .list(.object(TunnelState.self))) { $0.instances }
    package let leaving = Field(
        "leaving",
        .list(.object(Leaving.self), "Deleted tunnels whose connections may still finish")
    ) { $0.leaving }

    package init() {}
}

extension ReconcileView {
    /// A manifest on disk that changes nothing.
    package struct Rejection: WireView {
        package typealias Source = ReconcileStatus.Rejection

        package static let name = "Rejection"
        package static let summary = "A manifest on disk that changes nothing, because it cannot be read"
        package static let table = WireTable(Rejection())

        package let time = Field("time", .time("Since when")) { $0.time }
        package let diagnostics = Field("diagnostics", .list(.object(DiagnosticView.self))) { $0.diagnostics }

        package init() {}
    }

    /// A deleted tunnel whose connections may still finish.
    package struct Leaving: WireView {
        package typealias Source = LeavingInstance

        package static let name = "LeavingTunnel"
        package static let summary = "A deleted tunnel whose connections may still finish"
        package static let table = WireTable(Leaving())

        package let id = Field("id", .id) { $0.id }
        package let name = Field("name", .text("Its name or alias; may be empty")) { $0.name }
        package let connections = Field("connections", .count("Of users, still open")) { $0.connections }
        package let until = Field("until", .nullable(.time("When the last of them is cut"))) { $0.until }

        package init() {}
    }

    /// Where one tunnel is.
    package struct TunnelState: WireView {
        package typealias Source = Instance

        package static let name = "TunnelPhase"
        package static let summary = "Where a tunnel is"
        package static let table = WireTable(TunnelState())

        package let id = Field("id", .id) { $0.id }
        package let name = Field("name", .name) { $0.name }
        package let revision = Field("revision", .revision("Revision of the declaration that is applied")) {
            $0.revision
        }
        package let phase = Field("phase", .phase) { $0.phase.rawValue }
        package let reason = Field("reason", .reason) { $0.status?.reason?.rawValue ?? "" }
        package let message = Field("message", .text("In a sentence; may be empty")) { InstanceView.message($0) }
        package let overridden = Field("overridden", .flag("Whether a request has changed it")) { $0.override != nil }

        package init() {}
    }
}
