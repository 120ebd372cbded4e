package import Config
package import FoundationEssentials
import NIOSSL
import SwiftASN1
import X509

/// A self-signed certificate with its key, in a form that can be stored: clients that have seen its
/// fingerprint recognize it after a restart.
package struct StoredCertificate: Sendable, Hashable {
    /// It is never renewed, and clients trust it by its fingerprint.
    private static let validity: TimeInterval = 10 * 365 * 86_400

    /// Both in DER form; the key is a secret.
    package let certificate: [UInt8]
    package let key: [UInt8]

    package init(certificate: [UInt8], key: [UInt8]) {
        self.certificate = certificate
        self.key = key
    }

    /// One for a server that is reached under these names and addresses, valid for ten years.
    package static func make(names: [String], addresses: [IPAddress], now: Date) throws -> StoredCertificate {
        try SelfSignedCertificate.make(
            DistinguishedName { CommonName("nodepass") },
            names: names.map(GeneralName.dnsName)
                + addresses.map { .ipAddress(ASN1OctetString(contentBytes: $0.bytes[...])) },
            validity: validity,
            now: now
        )
    }

    /// When it ends; nil where it cannot be read.
    package var notAfter: Date? { try? CertificateSummary(der: certificate, path: nil).notAfter }

    func load(for use: ServerCredentials.Use) throws -> ServerCredentials.Loaded {
        try ServerCredentials.Loaded(
            chain: [NIOSSLCertificate(bytes: certificate, format: .der)],
            key: NIOSSLPrivateKey(bytes: key, format: .der),
            certificate: CertificateSummary(der: certificate, path: nil),
            for: use
        )
    }
}
