import Config
import FoundationEssentials
import NIOSSL

/// The two PEM files of `tls=2`: a certificate chain, leaf first, and the leaf's private key.
struct CertificateFiles: Sendable {
    /// Far more than any chain or key; a larger file is something else, given by mistake.
    static let limitBytes = 1 << 20

    let certificatePath: String
    let keyPath: String

    init(certificatePath: String, keyPath: String) {
        self.certificatePath = certificatePath
        self.keyPath = keyPath
    }

    /// Nil for a mode that needs no files.
    init?(_ mode: TLSMode) {
        guard case .files(let certificate, let key) = mode else { return nil }
        self.init(certificatePath: certificate, keyPath: key)
    }

    /// By what one state of the pair differs from another, without reading it.
    struct State: Sendable, Hashable {
        let certificate: FileState?
        let key: FileState?
    }

    var state: State {
        State(certificate: FileState(path: certificatePath), key: FileState(path: keyPath))
    }

    /// Reads the pair and checks that a server can use it; throws `CertificateInvalid`.
    ///
    /// A certificate that is not valid yet passes: on a machine that starts with its clock behind
    /// it will be, and clients judge by their own clock anyway.
    func load(for use: ServerCredentials.Use = .links) throws(TunnelError) -> ServerCredentials.Loaded {
        let (chain, summary) = try readChain()
        let key = try readKey()
        do {
            return try ServerCredentials.Loaded(chain: chain, key: key, certificate: summary, for: use)
        } catch NIOSSLError.failedToLoadPrivateKey {
            throw Self.invalid(
                "key \(keyPath) does not belong to the certificate in \(certificatePath); "
                    + "give the key it was made for, and put the server's own certificate first in the chain"
            )
        } catch {
            throw Self.invalid("certificate \(certificatePath) cannot be used for TLS: \(ErrorText.words(for: error))")
        }
    }

    private func readChain() throws(TunnelError) -> ([NIOSSLCertificate], CertificateSummary) {
        let text = try Self.read("certificate", certificatePath, parameter: "crt")
        guard let chain = try? NIOSSLCertificate.fromPEMBytes(Array(text.utf8)),
            let leaf = try? chain.first?.toDERBytes(),
            let summary = try? CertificateSummary(der: leaf, path: certificatePath)
        else {
            throw Self.invalid(
                "certificate \(certificatePath) holds no readable PEM certificate (-----BEGIN CERTIFICATE-----); "
                    + "give the chain in PEM form as crt"
            )
        }
        guard summary.notAfter > Date() else {
            throw Self.invalid(
                "certificate \(certificatePath) of \(summary.subject) expired on \(summary.lastDay); renew it"
            )
        }
        return (chain, summary)
    }

    private func readKey() throws(TunnelError) -> NIOSSLPrivateKey {
        let text = try Self.read("key", keyPath, parameter: "key")
        guard !text.contains("ENCRYPTED") else {
            throw Self.invalid("key \(keyPath) has a passphrase; remove it with: openssl pkey -in \(keyPath) -out NEW")
        }
        // What the parser says of a key is not repeated, lest a part of the key be in it.
        guard let key = try? NIOSSLPrivateKey(bytes: Array(text.utf8), format: .pem) else {
            throw Self.invalid(
                "key \(keyPath) holds no readable PEM private key (-----BEGIN PRIVATE KEY----- or alike); "
                    + "give the certificate's key in PEM form as key"
            )
        }
        return key
    }

    private static func read(_ kind: String, _ path: String, parameter: String) throws(TunnelError) -> String {
        do {
            return try TextFile.read(path, limitBytes: limitBytes)
        } catch {
            let advice = "check its path (`tls`, or \(parameter) in a URL) and its permissions"
            throw invalid("\(kind) \(path) cannot be read: \(error.problem); \(advice)")
        }
    }

    private static func invalid(_ message: String) -> TunnelError {
        TunnelError(.certificateInvalid, message)
    }
}
