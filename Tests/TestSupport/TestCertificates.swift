package import Config
import Crypto
import CryptoExtras
import FoundationEssentials
import SwiftASN1
import X509

/// An authority that signs certificates for tests; only tests trust it.
package struct TestAuthority: Sendable {
    /// The PEM forms a private key may come in.
    package enum KeyForm: Sendable, CaseIterable {
        case pkcs8
        case sec1
        /// RSA, which takes a while to make.
        case pkcs1
    }

    /// Its own certificate, for a client's list of authorities.
    package let pem: String
    private let name: DistinguishedName
    private let key: Certificate.PrivateKey
    /// Its certificate and those above it but the root's, for what it signs to bring along.
    private let chain: String

    package init(_ commonName: String = "nodepass test authority") throws {
        try self.init(commonName, signedBy: nil)
    }

    private init(_ commonName: String, signedBy parent: TestAuthority?) throws {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let name = try DistinguishedName { CommonName(commonName) }
        let certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: key.publicKey,
            notValidBefore: Date(timeIntervalSinceNow: -3600),
            notValidAfter: Date(timeIntervalSinceNow: 86_400),
            issuer: parent?.name ?? name,
            subject: name,
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(keyCertSign: true))
            },
            issuerPrivateKey: parent?.key ?? key
        )
        self.name = name
        self.key = key
        let pem = try certificate.serializeAsPEM().pemString + "\n"
        self.pem = pem
        chain = parent.map { pem + $0.chain } ?? ""
    }

    /// An authority this one vouches for.
    package func subordinate(_ commonName: String) throws -> TestAuthority {
        try TestAuthority(commonName, signedBy: self)
    }

    /// Signs a server's certificate; without names it has no subject alternative names, and its subject is `subject`.
    package func issue(
        to names: [String],
        addresses: [IPAddress] = [],
        subject: String? = "test server",
        days: Range<Double> = -1..<30,
        keyForm: KeyForm = .pkcs8
    ) throws -> TestCertificate {
        let (key, keyPEM) = try Self.makeKey(keyForm)
        let alternatives =
            names.map { GeneralName.dnsName($0) }
            + addresses.map { GeneralName.ipAddress(ASN1OctetString(contentBytes: $0.bytes[...])) }
        let certificate = try Certificate(
            version: .v3,
            serialNumber: Certificate.SerialNumber(),
            publicKey: key.publicKey,
            notValidBefore: Date(timeIntervalSinceNow: days.lowerBound * 86_400),
            notValidAfter: Date(timeIntervalSinceNow: days.upperBound * 86_400),
            issuer: name,
            subject: try DistinguishedName { if let subject { CommonName(subject) } },
            extensions: Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                try ExtendedKeyUsage([.serverAuth])
                if !alternatives.isEmpty { SubjectAlternativeNames(alternatives) }
            },
            issuerPrivateKey: self.key
        )
        return TestCertificate(pem: try certificate.serializeAsPEM().pemString + "\n" + chain, keyPEM: keyPEM)
    }

    private static func makeKey(_ form: KeyForm) throws -> (Certificate.PrivateKey, pem: String) {
        if form == .pkcs1 {
            let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
            return (Certificate.PrivateKey(key), key.pemRepresentation)
        }
        let key = P256.Signing.PrivateKey()
        let pem = form == .sec1 ? sec1PEM(of: key) : key.pemRepresentation
        return (Certificate.PrivateKey(key), pem)
    }

    /// `ECPrivateKey` of RFC 5915: version, key, named curve.
    private static func sec1PEM(of key: P256.Signing.PrivateKey) -> String {
        let curve: [UInt8] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]
        let der = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20] + Array(key.rawRepresentation) + curve
        return PEMDocument(type: "EC PRIVATE KEY", derBytes: der).pemString
    }
}

/// A server's certificate with the chain below its root, and its private key.
package struct TestCertificate: Sendable {
    package let pem: String
    package let keyPEM: String

    /// Puts it into `NAME.crt` and `NAME.key`, replacing what is there.
    @discardableResult
    package func write(to directory: TemporaryDirectory, as name: String = "server") throws -> TLSMode {
        .files(
            certificate: try directory.write(pem, to: name + ".crt", atomically: true),
            key: try directory.write(keyPEM, to: name + ".key", atomically: true)
        )
    }
}
