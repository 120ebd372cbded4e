import AsyncHTTPClient
import Config
import NIOCore
import NIOSSL
import Synchronization
import Tunnel

/// Which certificate of a remote daemon a command accepts.
enum ServerTrust: Sendable, Hashable {
    /// One that an authority of the system has signed.
    case system
    /// One that an authority in this file has signed.
    case authorities(String)
    /// The one with this fingerprint, however it is signed.
    case fingerprint(String)
    /// Any: someone in between can read the key.
    case anything

    /// Reads `sha256:` with hex digits, with colons or without; nil for anything else.
    init?(fingerprint text: String) {
        let digits = text.lowercased().hasPrefix("sha256:") ? String(text.dropFirst(7)) : text
        guard let bytes = Hex.bytes(digits.lowercased().filter { $0 != ":" }), bytes.count == 32 else { return nil }
        let pairs = bytes.map { Hex.uppercaseText(CollectionOfOne($0)) }
        self = .fingerprint("sha256:" + pairs.joined(separator: ":"))
    }

    private static let clients = Mutex<[ServerTrust: HTTPClient]>([:])

    /// The client for this trust; kept, because a client must not be given up while it has connections.
    func client() throws(CommandFailure) -> HTTPClient {
        let tls = try configuration()
        return Self.clients.withLock { clients in
            if let client = clients[self] { return client }
            let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: http(tls))
            clients[self] = client
            return client
        }
    }

    private func http(_ tls: TLSConfiguration) -> HTTPClient.Configuration {
        // Never follows a redirect: the key is for the server that the user named.
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls, redirectConfiguration: .disallow)
        // A refused certificate is refused the next time too.
        configuration.connectionPool.retryConnectionEstablishment = false
        guard case .fingerprint(let wanted) = self else { return configuration }
        configuration.httpVersion = .http1Only
        // Before anything is sent, and so before the key.
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.nioSSL_peerCertificate().flatMapThrowing { certificate in
                let shown = try certificate.map { try CertificateSummary.fingerprint(of: $0) }
                guard shown == wanted else { throw OtherCertificate(shown: shown) }
            }
        }
        return configuration
    }

    /// A server has shown another certificate than the one that is pinned.
    struct OtherCertificate: Error {
        let shown: String?
    }

    private func configuration() throws(CommandFailure) -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        switch self {
        case .system: break
        case .authorities(let path):
            guard (try? NIOSSLCertificate.fromPEMFile(path))?.isEmpty == false else {
                throw CommandFailure(message: "\(path) holds no readable PEM certificate of an authority")
            }
            configuration.trustRoots = .file(path)
        case .fingerprint, .anything: configuration.certificateVerification = .none
        }
        return configuration
    }
}
