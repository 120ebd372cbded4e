import Config
package import FoundationEssentials
import NIOCore
package import NIOSSL
import SwiftASN1
import X509

/// Why a client does not accept the certificate that a server shows.
package enum CertificateRefusal: Sendable, Hashable {
    case expired(Date)
    case notYetValid(Date)
    case otherName(String, shown: [String])
    /// The issuer; nil where it is not known.
    case unknownAuthority(String?)
    case selfSigned

    /// Names of a certificate that a message shows; strangers write them.
    private static let shownNames = 3

    /// Nil for an error that is not about the certificate.
    ///
    /// `certificate` is what the server has shown, `name` what was asked for.
    package init?(_ error: any Error, certificate: NIOSSLCertificate?, name: String?, now: Date) {
        let shown = certificate.flatMap { try? Certificate(derEncoded: $0.toDERBytes()) }
        if error is NIOSSLExtraError {
            self = .otherName(name ?? "this address", shown: shown.map(Self.names) ?? [])
            return
        }
        guard Self.isRefusal(error) else { return nil }
        self = shown.map { Self.refusal(of: $0, now: now) } ?? .unknownAuthority(nil)
    }

    /// Why a certificate, DER, was not accepted by what QUIC verifies with.
    init(certificate: [UInt8]?, isForOtherName: Bool, name: String, now: Date) {
        let shown = certificate.flatMap { try? Certificate(derEncoded: $0) }
        self =
            isForOtherName
            ? .otherName(name, shown: shown.map(Self.names) ?? [])
            : shown.map { Self.refusal(of: $0, now: now) } ?? .unknownAuthority(nil)
    }

    /// The error as a refusal of the certificate, where that is what went wrong on this channel.
    static func described(_ error: any Error, on context: ChannelHandlerContext, name: String) -> any Error {
        let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
        return CertificateRefusal(error, certificate: handler?.peerCertificate, name: name, now: Date())?.error ?? error
    }

    private static func isRefusal(_ error: any Error) -> Bool {
        guard case NIOSSLError.handshakeFailed(.sslError(let stack)) = error else { return false }
        return stack.contains { $0.description.contains("CERTIFICATE_VERIFY_FAILED") }
    }

    /// The dates first: a wrong one is a reason, however it is signed.
    private static func refusal(of certificate: Certificate, now: Date) -> CertificateRefusal {
        if certificate.notValidAfter < now { return .expired(certificate.notValidAfter) }
        if certificate.notValidBefore > now { return .notYetValid(certificate.notValidBefore) }
        if certificate.issuer == certificate.subject { return .selfSigned }
        return .unknownAuthority(PlainText.line(String(String(describing: certificate.issuer).prefix(100))))
    }

    private static func names(of certificate: Certificate) -> [String] {
        let alternatives = (try? certificate.extensions.subjectAlternativeNames).map(Array.init) ?? []
        return alternatives.compactMap { alternative in
            switch alternative {
            case .dnsName(let name): PlainText.line(String(name.prefix(100)))
            case .ipAddress(let address): IPAddress(bytes: Array(address.bytes))?.description
            default: nil
            }
        }
    }

    /// What is wrong, to follow `the server's certificate`.
    package var words: String {
        switch self {
        case .expired(let end): "expired on \(RFC3339.dayText(end))"
        case .notYetValid(let start): "is not valid before \(RFC3339.dayText(start))"
        case .otherName(let name, []): "has no name that can be compared with \(name)"
        case .otherName(let name, let shown): "is for \(Self.list(shown)), not \(name)"
        case .unknownAuthority(let issuer): "is signed by an unknown authority" + (issuer.map { " (\($0))" } ?? "")
        case .selfSigned: "is self-signed: no authority has signed it"
        }
    }

    private static func list(_ names: [String]) -> String {
        let rest = names.count - shownNames
        return names.prefix(shownNames).joined(separator: ", ") + (rest > 0 ? " and \(rest) more" : "")
    }

    /// What to do about it at a tunnel's client.
    private var remedy: String {
        switch self {
        case .expired: "renew it on the server"
        case .notYetValid: "check the clocks of both machines"
        case .otherName: "correct the name, or give the certificate's as sni"
        case .unknownAuthority, .selfSigned: "set SSL_CERT_FILE to a file with the authority's certificate"
        }
    }

    /// The server may get another certificate, so that trying again can help.
    var error: TunnelError {
        TunnelError(.certificateInvalid, "the server's certificate \(words); \(remedy)", isTerminal: false)
    }
}
