import Config
import FoundationEssentials
import Reconciler
import Tunnel

/// The daemon in one answer: whether everything is served.
package struct StatusView: WireView {
    package struct Source: Sendable {
        let status: ReconcileStatus
        let problems: [Problem]
        let instances: [Instance]
        let overridden: Int
        let hidden: [PlanReport.Overridden]
        let certificates: [Certificate.Source]
        let started: Date
    }

    package static let name = "Status"
    package static let summary = "Whether the daemon serves everything, and what it does not"
    package static let table = WireTable(StatusView())

    package let ok = Field("ok", .flag("Whether there is no problem")) { $0.problems.isEmpty }
    package let urgent = Field("urgent", .count("Problems that keep something from being served now")) { source in
        source.problems.count(where: \.isUrgent)
    }
    package let problems = Field("problems", .list(.object(ProblemView.self), "Urgent ones first")) { $0.problems }
    package let tunnels = Field("tunnels", .count("Tunnels, stopped ones among them")) { $0.instances.count }
    package let ready = Field("ready", .count("Tunnels that users can connect to")) { source in
        source.instances.count { $0.phase == .ready }
    }
    package let stopped = Field("stopped", .count("Tunnels that are not to run")) { source in
        source.instances.count { !$0.shouldRun }
    }
    package let overridden = Field("overridden", .count("Declared tunnels that requests have changed")) {
        $0.overridden
    }
    package let hidden = Field(
        "hidden",
        .list(.object(PlanView.Overridden.self), "Declared tunnels that requests have deleted until released")
    ) { $0.hidden }
    package let files = Field("files", .texts("The manifest's files; none for a daemon without a manifest")) {
        $0.status.files
    }
    package let revision = Field("revision", .revision("Revision of the manifest that is applied")) {
        $0.status.appliedRevision
    }
    package let lastPass = Field("lastPass", .nullable(.time("When the last pass ended"))) { $0.status.lastPass }
    package let certificates = Field(
        "certificates",
        .list(.object(Certificate.self), "Certificates from files, the one that expires first at the beginning")
    ) { $0.certificates }
    package let build = Field("build", .text("Version of the daemon")) { _ in Version.build }
    package let started = Field("started", .time("When the daemon was started")) { $0.started }

    package init() {}

    /// When one certificate expires.
    package struct Certificate: WireView {
        package struct Source: Sendable {
            /// Nil for the API's.
            let tunnel: String?
            let notAfter: Date
        }

        package static let name = "CertificateExpiry"
        package static let summary = "When a certificate expires"
        package static let table = WireTable(Certificate())

        package let tunnel = Field("tunnel", .nullable(.text("The tunnel that shows it; null for the API"))) {
            $0.tunnel
        }
        package let notAfter = Field("notAfter", .time("Valid until")) { $0.notAfter }

        package init() {}
    }
}
