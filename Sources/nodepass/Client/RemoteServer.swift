import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization
import Tunnel

/// A daemon on another machine: its address, the key to show it and the certificate to expect, and what to say when
/// something of it is wrong.
final class RemoteServer: Sendable {
    let address: ServerAddress
    let key: String
    let trust: ServerTrust
    /// As the user wrote it, for messages.
    let name: String
    private let found = Mutex<ServerAddress.Scheme?>(nil)

    init(_ name: String, key: String = "", trust: ServerTrust = .system) throws(CommandFailure) {
        address = try ServerAddress(name)
        self.name = name
        self.key = key
        self.trust = trust
    }

    /// The API's URL; where the user gave no scheme, it is found out first, without showing the key.
    func url() async throws(CommandFailure) -> String {
        if let scheme = address.scheme ?? found.withLock({ $0 }) { return address.url(scheme) }
        let scheme = try await findScheme()
        found.withLock { $0 = scheme }
        return address.url(scheme)
    }

    private func findScheme() async throws(CommandFailure) -> ServerAddress.Scheme {
        do {
            _ = try await ServerCertificate.shown(by: address)
            return .https
        } catch  where ErrorText.isNotTLS(error) {
            guard address.isLoopback else {
                throw CommandFailure(
                    message:
                        "\(name) does not speak TLS, so that the API key could be read on the way: start the daemon "
                        + "with --tls, or write http://\(address.place) if that is meant"
                )
            }
            return .http
        } catch {
            throw CommandFailure(message: unreachable(ErrorText.words(for: error)))
        }
    }

    private var scheme: ServerAddress.Scheme? { address.scheme ?? found.withLock { $0 } }

    // MARK: What went wrong

    /// Why no answer came.
    func failure(_ error: any Error) async -> CommandFailure {
        if let other = error as? ServerTrust.OtherCertificate {
            return CommandFailure(
                message: "\(name) shows the certificate \(other.shown ?? "of nobody"), not the one of --fingerprint: "
                    + "it was replaced, or the connection is intercepted"
            )
        }
        guard scheme == .https else {
            let isHTTP = !(error is HTTPParserError)
            let advice = "; if it speaks TLS, write https://\(address.place)"
            return CommandFailure(message: unreachable(Self.words(for: error) + (isHTTP ? "" : advice)))
        }
        if ErrorText.isNotTLS(error) {
            return CommandFailure(
                message: "\(name) does not speak TLS: write http://\(address.place), where the API key can be read on "
                    + "the way, or start the daemon with --tls"
            )
        }
        let shown = try? await ServerCertificate.shown(by: address)
        let refusal = CertificateRefusal(error, certificate: shown, name: address.host, now: Date())
        guard let refusal else { return CommandFailure(message: unreachable(Self.words(for: error))) }
        return CommandFailure(message: Self.text(refusal, shown, name))
    }

    private static func text(_ refusal: CertificateRefusal, _ shown: NIOSSLCertificate?, _ name: String) -> String {
        let fingerprint = shown.flatMap { try? CertificateSummary.fingerprint(of: $0) }
        let pin = fingerprint.map {
            "compare its fingerprint with the one in the daemon's log, and give it: --fingerprint \($0)"
        }
        let remedy =
            switch refusal {
            case .expired: "renew it on the server"
            case .notYetValid: "check the clocks of both machines"
            case .otherName: ["use a name that it has", pin].compactMap(\.self).joined(separator: "; or ")
            case .unknownAuthority:
                ["give its authority with --ca-file", pin].compactMap(\.self).joined(separator: "; or ")
            case .selfSigned: pin ?? "give it with --ca-file"
            }
        return "\(name): the server's certificate \(refusal.words)\n\(remedy)"
    }

    private func unreachable(_ problem: String) -> String {
        "\(name) cannot be reached (\(problem)): check host, port and prefix"
    }

    /// An answer that does not come from the API; nil where it may.
    func foreignAnswer(_ status: UInt, _ text: String) -> CommandFailure? {
        if status == 400, ["HTTP request to an HTTPS server", "plain HTTP request"].contains(where: text.contains) {
            return CommandFailure(message: "\(name) speaks TLS: write https://\(address.place)")
        }
        guard status == 404 else { return nil }
        let other = address.namesPrefix ? "did you mean \(Self.base(address))?" : "the daemon may have another --prefix"
        return CommandFailure(message: "there is no nodepass API at \(address.url(scheme ?? .http)): \(other)")
    }

    private static func base(_ address: ServerAddress) -> String {
        (address.scheme.map { $0.rawValue + "://" } ?? "") + address.place + "/api"
    }

    static func words(for error: any Error) -> String {
        switch error {
        case let error as HTTPClientError: words(for: error)
        case is HTTPParserError: "it does not answer in HTTP"
        default: ErrorText.words(for: error)
        }
    }

    private static func words(for error: HTTPClientError) -> String {
        switch error {
        case .connectTimeout, .readTimeout, .writeTimeout, .deadlineExceeded, .getConnectionFromPoolTimeout,
            .tlsHandshakeTimeout:
            "no answer in time"
        case .remoteConnectionClosed: "the connection was closed before the answer was complete"
        case .emptyScheme, .invalidURL, .emptyHost: "its address is not one of HTTP"
        default: "the request failed"
        }
    }
}
