import Crypto
import NIOSSL
import SwiftASN1
import X509

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The certificate of `tls=1`: made in memory, signed by nobody, told apart by its fingerprint alone.
enum SelfSignedCertificate {
    /// The version whose certificate ours looks like.
    private static let organization = "v1.14.0"
    private static let validity: TimeInterval = 365 * 86_400
    /// It starts in the past for peers whose clock is behind.
    private static let clockSkew: TimeInterval = 3600

    /// The one every tunnel of this process presents, as the reference does; made when first asked for.
    static let ofThisProcess = Result { try make(now: Date()) }

    private static func make(now: Date) throws -> ServerCredentials.Loaded {
        let key = P256.Signing.PrivateKey()
        let certificate = try certificate(for: Certificate.PrivateKey(key), from: now.addingTimeInterval(-clockSkew))
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        let der = serializer.serializedBytes
        return try ServerCredentials.Loaded(
            chain: [NIOSSLCertificate(bytes: der, format: .der)],
            key: NIOSSLPrivateKey(bytes: Array(key.derRepresentation), format: .der),
            certificate: CertificateSummary(der: der, path: nil)
        )
    }

    private static func certificate(for key: Certificate.PrivateKey, from start: Date) throws -> Certificate {
        let name = try DistinguishedName { OrganizationName(organization) }
        return try Certificate(
            version: .v3,
            serialNumber: randomSerialNumber(),
            publicKey: key.publicKey,
            notValidBefore: start,
            notValidAfter: start.addingTimeInterval(validity),
            issuer: name,
            subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(KeyUsage(digitalSignature: true, keyEncipherment: true))
                try ExtendedKeyUsage([.serverAuth])
            },
            issuerPrivateKey: key
        )
    }

    /// 128 random bits.
    private static func randomSerialNumber() -> Certificate.SerialNumber {
        var generator = SystemRandomNumberGenerator()
        return Certificate.SerialNumber(bytes: (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }
}
