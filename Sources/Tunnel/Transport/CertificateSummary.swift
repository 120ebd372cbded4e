import Config
import Crypto
package import FoundationEssentials
package import NIOSSL
import SwiftASN1
import X509

/// What is shown of a certificate that we present: its subject, its dates and its fingerprint.
package struct CertificateSummary: Sendable, Hashable {
    /// How close to its end a certificate is worth a warning: renewal by machine is overdue by then
    /// (ACME clients renew 30 days ahead), and there is time to renew by hand.
    static let expiryNotice = Duration.seconds(14 * 86_400)

    package let subject: String
    package let notBefore: Date
    package let notAfter: Date
    /// As peers compare it: see ``fingerprint(ofDER:)``.
    package let fingerprint: String
    /// The file it was read from; nil when it was made in memory.
    package let path: String?

    /// Reads a certificate's DER form; throws what `X509` throws.
    init(der: [UInt8], path: String?) throws {
        let certificate = try Certificate(derEncoded: der)
        subject = Self.name(of: certificate)
        notBefore = certificate.notValidBefore
        notAfter = certificate.notValidAfter
        fingerprint = Self.fingerprint(ofDER: der)
        self.path = path
    }

    /// For one that was read before and kept.
    package init(subject: String, notBefore: Date, notAfter: Date, fingerprint: String, path: String?) {
        self.subject = subject
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.fingerprint = fingerprint
        self.path = path
    }

    package var isSelfMade: Bool { path == nil }

    /// `sha256:` and the digest of a certificate's DER form as upper-case hex pairs, as both ends
    /// send it.
    package static func fingerprint(ofDER der: [UInt8]) -> String {
        let pairs = SHA256.hash(data: der).map { Hex.uppercaseText(CollectionOfOne($0)) }
        return "sha256:" + pairs.joined(separator: ":")
    }

    /// The digest in a fingerprint: 32 bytes.
    static func digest(of fingerprint: String) -> [UInt8] {
        Hex.bytes(fingerprint.dropFirst("sha256:".count).filter { $0 != ":" }) ?? []
    }

    package static func fingerprint(of certificate: NIOSSLCertificate) throws -> String {
        fingerprint(ofDER: try certificate.toDERBytes())
    }

    /// A sentence for the log when the certificate has expired or is about to; never for one made
    /// in memory, whose dates no client checks.
    package func expiryWarning(now: Date) -> String? {
        guard let path else { return nil }
        let left = Duration.seconds(notAfter.timeIntervalSince(now))
        guard left < Self.expiryNotice else { return nil }
        let days = left.components.seconds / 86_400
        let when =
            switch days {
            case _ where left <= .zero: "has expired"
            case 0: "expires in less than a day"
            case 1: "expires in 1 day"
            default: "expires in \(days) days"
            }
        return "certificate of \(subject) \(when) (\(lastDay)); renew \(path)"
    }

    /// The date of `notAfter`, in UTC.
    var lastDay: String { RFC3339.dayText(notAfter) }

    private static func name(of certificate: Certificate) -> String {
        let subject = String(describing: certificate.subject)
        guard subject.isEmpty else { return subject }
        // ACME authorities may leave the subject empty and put the names here alone.
        let names = (try? certificate.extensions.subjectAlternativeNames).map(Array.init) ?? []
        for case .dnsName(let name) in names { return name }
        return "an unnamed subject"
    }
}
