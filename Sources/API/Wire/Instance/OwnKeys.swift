import Config
import FoundationEssentials
import Reconciler
import Tunnel

/// Our keys of an instance, after NodePass's; the API key's row has none of them.
///
/// No key of ours may end in `url`: np.sh takes the last `url":"` of a text.
package struct OwnKeys: WireView {
    package struct Source: Sendable {
        let instance: InstanceSnapshot
        let now: Date

        var run: InstanceSnapshot.Status { instance.status }
    }

    package static let name = "OwnKeys"
    package static let summary = "Our keys"
    package static let table = WireTable(OwnKeys())

    package let name = Field("name", .name) { $0.instance.name }
    package let origin = Field(
        "origin",
        .words([Instance.Origin.manifest, .api].map(\.rawValue), "What created it")
    ) { $0.instance.origin.rawValue }
    package let source = Field("source", .source) { $0.instance.source }
    package let phase = Field("phase", .phase) { $0.instance.phase.rawValue }
    package let reason = Field("reason", .reason) { $0.run.reason?.rawValue ?? "" }
    package let message = Field(
        "message",
        .text("Details of the phase, in a sentence; may be empty")
    ) { InstanceView.message($0.instance, now: $0.now) }
    package let revision = Field("revision", .revision("Revision of the declaration that is applied")) {
        $0.instance.revision
    }
    package let override = Field("override", .nullable(.object(OverrideView.self))) { source in
        source.instance.override.map { OverrideView.Source($0) }
    }
    package let connections = Field("connections", .count("`tcps` and `udps` together")) { source in
        source.run.tcpConnections + source.run.udpSessions
    }
    package let poolSize = Field("pool_size", .count("`pool`")) { $0.run.poolIdle }
    package let uptime = Field("uptime", .count("Seconds it has been ready")) { source in
        source.run.readySince.map { max(0, Int(source.now.timeIntervalSince($0))) } ?? 0
    }
    package let tcpIn = Field("tcp_in", .count("`tcprx`")) { $0.instance.traffic.tcpRx }
    package let tcpOut = Field("tcp_out", .count("`tcptx`")) { $0.instance.traffic.tcpTx }
    package let udpIn = Field("udp_in", .count("`udprx`")) { $0.instance.traffic.udpRx }
    package let udpOut = Field("udp_out", .count("`udptx`")) { $0.instance.traffic.udpTx }
    package let draining = Field("draining", .nullable(.object(Draining.self))) { Draining.Source($0.run) }
    package let rejected = Field(
        "rejected",
        .count("Handshakes, links and lines of strangers that were refused since the daemon started")
    ) { $0.run.rejected }
    package let refused = Field(
        "refused",
        .count("Users refused because no file descriptor was free, since the daemon started")
    ) { $0.run.refused }
    package let certificate = Field("certificate", .nullable(.object(Certificate.self))) { source in
        source.run.certificate.map { Certificate.Source(certificate: $0, now: source.now) }
    }

    package init() {}
}

extension OwnKeys {
    /// Connections of a former run that may still finish.
    package struct Draining: WireView {
        package struct Source: Sendable {
            let connections: Int
            let until: Date
        }

        package static let name = "Draining"
        package static let summary = "Connections of a former run that may still finish"
        package static let table = WireTable(Draining())

        package let connections = Field("connections", .count("How many")) { $0.connections }
        package let until = Field("until", .time("When the rest is closed")) { $0.until }

        package init() {}
    }

    /// The certificate that a server with TLS shows.
    package struct Certificate: WireView {
        package struct Source: Sendable {
            let certificate: CertificateSummary
            let now: Date
        }

        package static let name = "Certificate"
        package static let summary = "What a server with TLS shows"
        package static let table = WireTable(Certificate())

        package let subject = Field("subject", .text("Subject of the certificate", example: "CN=tunnel.example.org")) {
            $0.certificate.subject
        }
        package let notBefore = Field("notBefore", .time("Valid from")) { $0.certificate.notBefore }
        package let notAfter = Field("notAfter", .time("Valid until")) { $0.certificate.notAfter }
        package let fingerprint = Field("fingerprint", .text("SHA-256")) { $0.certificate.fingerprint }
        package let expiresInDays = Field("expiresInDays", .integer("Rounded down, so negative once it has expired")) {
            $0.wholeDays
        }
        package let warning = Field("warning", .nullable(.text("What to do soon"))) { source in
            source.certificate.expiryWarning(now: source.now)
        }

        package init() {}
    }
}

extension OwnKeys.Draining.Source {
    fileprivate init?(_ status: InstanceSnapshot.Status) {
        guard status.drainingConnections > 0, let deadline = status.drainDeadline else { return nil }
        self.init(connections: status.drainingConnections, until: deadline)
    }
}

extension OwnKeys.Certificate.Source {
    /// Until it expires; negative afterwards.
    fileprivate var wholeDays: Int64 {
        Int64((certificate.notAfter.timeIntervalSince(now) / 86_400).rounded(.down))
    }
}
