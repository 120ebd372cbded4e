import Crypto
import FoundationEssentials
import SwiftASN1
import X509

/// A certificate without a signer, recognized by its fingerprint alone.
enum SelfSignedCertificate {
    /// The version whose certificate that of tunnels looks like.
    private static let organization = "v1.14.0"
    private static let validity: TimeInterval = 365 * 86_400
    /// It starts in the past for peers whose clock is behind.
    private static let clockSkew: TimeInterval = 3600

    /// The one every tunnel with `tls=1` of this process presents, as the reference does; made when
    /// first asked for.
    static let ofThisProcess = Result {
        let name = try DistinguishedName { OrganizationName(organization) }
        return try make(name, names: [], validity: validity, now: Date()).load(for: .links)
    }

    static func make(
        _ subject: DistinguishedName,
        names: [GeneralName],
        validity: TimeInterval,
        now: Date
    ) throws -> StoredCertificate {
        let key = P256.Signing.PrivateKey()
        let start = now.addingTimeInterval(-clockSkew)
        let certificate = try certificate(
            of: subject,
            names: names,
            for: Certificate.PrivateKey(key),
            in: start...start.addingTimeInterval(validity)
        )
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        return StoredCertificate(certificate: serializer.serializedBytes, key: Array(key.derRepresentation))
    }

    private static func certificate(
        of name: DistinguishedName,
        names: [GeneralName],
        for key: Certificate.PrivateKey,
        in lifetime: ClosedRange<Date>
    ) throws -> Certificate {
        try Certificate(
            version: .v3,
            serialNumber: randomSerialNumber(),
            publicKey: key.publicKey,
            notValidBefore: lifetime.lowerBound,
            notValidAfter: lifetime.upperBound,
            issuer: name,
            subject: name,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: Certificate.Extensions {
                Critical(KeyUsage(digitalSignature: true, keyEncipherment: true))
                try ExtendedKeyUsage([.serverAuth])
                if !names.isEmpty { SubjectAlternativeNames(names) }
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
