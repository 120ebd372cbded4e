import Config
import FoundationEssentials
import Tunnel

/// What is wrong with the certificate files that a manifest names.
enum CertificateCheck {
    static func diagnostics(of manifest: Manifest?, now: Date) -> [Diagnostic] {
        (manifest?.tunnels ?? []).flatMap { tunnel -> [Diagnostic] in
            guard tunnel.spec.role == .server, case .files(let certificate, _) = tunnel.spec.tls else { return [] }
            func diagnostic(_ severity: Diagnostic.Severity, _ message: String) -> [Diagnostic] {
                let place = tunnel.fieldSources["tls.certificate"] ?? tunnel.fieldSources["tls"] ?? tunnel.source
                let path = "tunnels.\(tunnel.name).tls"
                return [Diagnostic(severity, at: place, path: path, code: "certificate", message)]
            }
            do {
                let summary = try ServerCredentials(tunnel.spec.tls ?? .off)?.current().certificate
                guard let summary else { return [] }
                if summary.notAfter < now {
                    let day = RFC3339.dayText(summary.notAfter)
                    return diagnostic(.error, "the certificate \(certificate) expired on \(day); renew it")
                }
                return summary.expiryWarning(now: now).map { diagnostic(.warning, $0) } ?? []
            } catch {
                return diagnostic(.error, ErrorText.words(for: error))
            }
        }
    }
}
