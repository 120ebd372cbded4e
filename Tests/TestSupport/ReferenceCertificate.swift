import Crypto
import FoundationEssentials
import NIOCore
import NIOSSL
import SwiftASN1
import X509

/// A server's certificate with its key: made in memory like NodePass does for `tls=1`, or read from PEM files.
package struct ReferenceCertificate: Sendable {
    let chain: [NIOSSLCertificate]
    let key: NIOSSLPrivateKey
    package let fingerprint: String

    /// A self-signed certificate for `O=v1.14.0` without names, valid for a year.
    package init() throws {
        let privateKey = P256.Signing.PrivateKey()
        let subject = try DistinguishedName { OrganizationName("v1.14.0") }
        let certificate = try Certificate(
            version: .v3,
            serialNumber: .init(),
            publicKey: .init(privateKey.publicKey),
            notValidBefore: .now,
            notValidAfter: .now + 365 * 86_400,
            issuer: subject,
            subject: subject,
            signatureAlgorithm: .ecdsaWithSHA256,
            extensions: .init {
                Critical(KeyUsage(digitalSignature: true, keyEncipherment: true))
                try ExtendedKeyUsage([.serverAuth])
            },
            issuerPrivateKey: .init(privateKey)
        )
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        chain = [try NIOSSLCertificate(bytes: serializer.serializedBytes, format: .der)]
        key = try NIOSSLPrivateKey(bytes: Array(privateKey.pemRepresentation.utf8), format: .pem)
        fingerprint = referenceFingerprint(ofDER: serializer.serializedBytes)
    }

    /// The certificate chain, leaf first, and the key in these files.
    package init(certificateFile: String, keyFile: String) throws {
        chain = try NIOSSLCertificate.fromPEMFile(certificateFile)
        key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
        fingerprint = referenceFingerprint(ofDER: try chain.first?.toDERBytes() ?? [])
    }

    func serverContext() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(key)
        )
        configuration.minimumTLSVersion = .tlsv13
        configuration.shutdownTimeout = .milliseconds(100)
        return try NIOSSLContext(configuration: configuration)
    }
}
