import Config
package import NIOSSL
import Synchronization

/// Whom a client believes: the TLS contexts of its links, made once and shared.
package final class ClientTrust: Sendable {
    package enum Policy: Sendable, Hashable, CaseIterable {
        /// `tls=1`: any certificate; the link's handler shows it afterwards, for its fingerprint.
        case anyCertificate
        /// `tls=2`: one signed by an authority we trust, for the name we asked for.
        case verified
        /// As `verified`, with TLS 1.2 too: the HTTP handshake on port 443, which some proxy or CDN
        /// answers.
        case web
    }

    private let authoritiesPath: String?
    private let contexts = Mutex<[Kind: Made]>([:])
    #if QUIC
    /// By policy; those of `verified` with the authorities' files as they were before they were read.
    private let quic = Mutex<[Policy: (credentials: QUICCredentials, files: [FileState?])]>([:])
    #endif

    private struct Kind: Hashable {
        let policy: Policy
        let alpn: String?
    }

    private struct Made {
        let context: NIOSSLContext
        /// The authorities' files as they were before they were read.
        let files: [FileState?]
    }

    /// Where the library looks for the system's authorities.
    private static let systemPaths = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]

    /// `authorities` is a PEM file to trust instead of the system's.
    package init(authorities: String?) {
        authoritiesPath = authorities
    }

    /// The name to ask a server for: `sni` if given, else the host unless that is an address; nil
    /// when there is none.
    ///
    /// `none` is how NodePass writes "not given". A name that is not ASCII is asked for in its
    /// `xn--` form.
    package static func serverName(sni: String?, host: String) -> String? {
        if let sni, !sni.isEmpty, sni != "none" { return (try? HostName.ascii(sni)) ?? sni }
        // A host with a colon is an IPv6 address with its zone, which the parser does not accept.
        guard !host.isEmpty, !host.contains(":"), IPAddress(host) == nil else { return nil }
        return (try? HostName.ascii(host)) ?? host
    }

    /// The context for `policy`, which asks for the protocol `alpn`; the first call for one reads every
    /// trusted authority, so make `refresh` do that, off the event loops.
    ///
    /// Throws `CertificateInvalid` when the authorities cannot be loaded.
    package func context(_ policy: Policy, alpn: String? = nil) throws(TunnelError) -> NIOSSLContext {
        let kind = Kind(policy: policy, alpn: alpn)
        if let made = contexts.withLock({ $0[kind] }) { return made.context }
        try refresh(policy, alpn: alpn)
        guard let made = contexts.withLock({ $0[kind] }) else { return try makeContext(kind) }
        return made.context
    }

    /// Reads the authorities if they have changed since they were read; to be called before each session,
    /// off the event loops.
    ///
    /// Throws `CertificateInvalid` when they cannot be loaded; a context that was made before stays.
    package func refresh(_ policy: Policy, alpn: String? = nil, isForQUIC: Bool = false) throws(TunnelError) {
        #if QUIC
        if isForQUIC { return try refreshQUIC(policy) }
        #endif
        let kind = Kind(policy: policy, alpn: alpn)
        let paths = authoritiesPath.map { [$0] } ?? Self.systemPaths
        let files = paths.map { FileState(path: $0) }
        guard contexts.withLock({ $0[kind]?.files }) != files else { return }
        let context = try makeContext(kind)
        contexts.withLock { $0[kind] = Made(context: context, files: files) }
    }

    /// Whether there is a context, from whatever time.
    package func hasContext(_ policy: Policy, alpn: String? = nil, isForQUIC: Bool = false) -> Bool {
        #if QUIC
        if isForQUIC { return quic.withLock { $0[policy] } != nil }
        #endif
        return contexts.withLock { $0[Kind(policy: policy, alpn: alpn)] != nil }
    }

    /// A handler for one connection that asks for `serverName` (SNI) and, where `policy` verifies,
    /// insists on it.
    ///
    /// Without a name nothing is asked for, as `tls=1` wants on TCP links, and a verified
    /// certificate must name the address connected to. Throws `InvalidSpec` for a name that cannot
    /// be one, and what ``context(_:)`` throws.
    package func handler(
        _ policy: Policy,
        serverName: String?,
        alpn: String? = nil
    ) throws(TunnelError) -> NIOSSLClientHandler {
        let context = try context(policy, alpn: alpn)
        let name = try serverName.map { name throws(TunnelError) in try Self.checked(name) }
        do {
            return try NIOSSLClientHandler(context: context, serverHostname: name)
        } catch {
            throw TunnelError(.invalidSpec, "sni '\(name ?? "")' is not a server name; give a DNS name")
        }
    }

    /// The name in the form for a TLS hello, which has no final dot (Go's server refuses one).
    private static func checked(_ name: String) throws(TunnelError) -> String {
        let bare = name.hasSuffix(".") ? String(name.dropLast()) : name
        let isName = bare.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."): true
            default: false
            }
        }
        guard isName else {
            throw TunnelError(
                .invalidSpec,
                "'\(name)' cannot be a certificate's name; give one of letters, digits, '-' and '.' as sni"
            )
        }
        return bare
    }

    #if QUIC
    /// As ``context(_:)``, for links over QUIC.
    func quicCredentials(_ policy: Policy) throws(TunnelError) -> QUICCredentials {
        if let made = quic.withLock({ $0[policy] }) { return made.credentials }
        try refreshQUIC(policy)
        guard let made = quic.withLock({ $0[policy] }) else { throw noAuthorities }
        return made.credentials
    }

    /// As ``refresh(_:)``, for links over QUIC.
    private func refreshQUIC(_ policy: Policy) throws(TunnelError) {
        let paths = authoritiesPath.map { [$0] } ?? Self.systemPaths
        let files = paths.map { FileState(path: $0) }
        guard quic.withLock({ $0[policy]?.files }) != files else { return }
        let path = zip(paths, files).first { $0.1 != nil }?.0
        let isVerified = policy != .anyCertificate
        guard !isVerified || path != nil, let made = QUICCredentials(authorities: isVerified ? path : nil) else {
            throw noAuthorities
        }
        quic.withLock { $0[policy] = (made, files) }
    }
    #endif

    private var noAuthorities: TunnelError {
        let hint =
            authoritiesPath.map { "file \($0) holds no readable ones; correct SSL_CERT_FILE" }
            ?? "install ca-certificates or set SSL_CERT_FILE to a PEM file of them"
        return TunnelError(.certificateInvalid, "cannot load the authorities to trust: \(hint)")
    }

    private func makeContext(_ kind: Kind) throws(TunnelError) -> NIOSSLContext {
        let policy = kind.policy
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let alpn = kind.alpn { configuration.applicationProtocols = [alpn] }
        configuration.minimumTLSVersion = policy == .web ? .tlsv12 : .tlsv13
        configuration.certificateVerification = policy == .anyCertificate ? .none : .fullVerification
        if let authoritiesPath { configuration.trustRoots = .file(authoritiesPath) }
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw noAuthorities
        }
    }
}
