import Config
import FoundationEssentials
import NIOCore
import NIOSSL
import TestSupport
import Testing

@testable import Tunnel

@Suite("What is said of errors", .timeLimit(.minutes(1)))
struct CertificateRefusalTests {
    private let directory: TemporaryDirectory
    private let authority: TestAuthority

    init() throws {
        directory = try TemporaryDirectory()
        authority = try TestAuthority()
    }

    /// What a verifying client says of a server's certificate.
    private func refusal(of certificate: TestCertificate) throws -> CertificateRefusal? {
        // Our own server would not show one that has expired.
        let chain = try NIOSSLCertificate.fromPEMBytes(Array(certificate.pem.utf8))
        let server = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(certificate.keyPEM.utf8), format: .pem))
        )
        let trust = ClientTrust(authorities: try directory.write(authority.pem, to: "ca.pem"))
        let handler = try trust.handler(.verified, serverName: "tunnel.example")
        do {
            _ = try TLSConnection(handler, to: NIOSSLContext(configuration: server)).carries("hello")
            return nil
        } catch {
            let shown = handler.peerCertificate
            return CertificateRefusal(error, certificate: shown, name: "tunnel.example", now: Date())
        }
    }

    @Test("a refused certificate is expired, too early, for other names, or of an unknown authority")
    func reasons() throws {
        let names = ["tunnel.example"]
        let day = RFC3339.dayText(Date(timeIntervalSinceNow: -3 * 86_400))
        let old = try refusal(of: authority.issue(to: names, days: -9 ..< -3))
        #expect(old?.words == "expired on \(day)")
        #expect(old?.error.message == "the server's certificate expired on \(day); renew it on the server")
        let early = try refusal(of: authority.issue(to: names, days: 3..<9))
        #expect(early?.words.hasPrefix("is not valid before ") == true)
        let many = try refusal(of: authority.issue(to: ["a.example", "b.example", "c.example", "d.example"]))
        #expect(many?.words == "is for a.example, b.example, c.example and 1 more, not tunnel.example")
        let stranger = try refusal(of: TestAuthority("stranger").issue(to: names))
        #expect(stranger == .unknownAuthority("CN=stranger"))
        #expect(
            stranger?.error.message
                == "the server's certificate is signed by an unknown authority (CN=stranger); "
                + "set SSL_CERT_FILE to a file with the authority's certificate"
        )
        #expect(try refusal(of: authority.issue(to: names)) == nil)
    }

    @Test("a certificate in memory is self-signed")
    func selfSigned() throws {
        let server = try #require(try ServerCredentials(.selfSigned))
        let trust = ClientTrust(authorities: try directory.write(authority.pem, to: "ca.pem"))
        let handler = try trust.handler(.verified, serverName: "tunnel.example")
        let error = try #require(throws: (any Error).self) {
            try TLSConnection(handler, to: server.current().context).carries("hello")
        }
        let refusal = CertificateRefusal(error, certificate: handler.peerCertificate, name: nil, now: Date())
        #expect(refusal == .selfSigned)
    }

    @Test(
        "no library's name of an error is said",
        arguments: [
            ChannelError.eof, ChannelError.connectTimeout(.seconds(1)), ChannelError.operationUnsupported,
            IOError(errnoCode: 111, reason: "connection reset (error set)"), CancellationError(),
            NIOSSLError.uncleanShutdown, NIOSSLError.handshakeFailed(.sslError([.eofDuringHandshake])),
            NIOSSLError.handshakeFailed(.unknownError([])), BoringSSLError.wantRead,
            NIOSSLExtraError.failedToValidateHostname, SocketAddressError.unsupported,
            NIOTooManyBytesError(maxBytes: 1),
            HandshakeProblem.malformed("no status line"),
        ] as [any Error]
    )
    func words(_ error: any Error) {
        let words = ErrorText.words(for: error)
        #expect(ForeignWords.found(in: words).isEmpty, "\(words)")
        #expect(!words.contains("(") && !words.contains("\(type(of: error))"), "\(words)")
    }

    @Test(
        "the search for libraries' words finds what the trials have seen",
        arguments: [
            "handshakeFailed(NIOSSL.BoringSSLError.sslError([Error: 268435581", "HTTPClientError.invalidURL",
            "connection reset (error set): Connection refused (errno: 111))", "[IPv4]10.78.0.2/10.78.0.2:34040",
            "reason=failed: CancellationError()", "checkouts/swift-nio-ssl/handshake.cc:320",
        ]
    )
    func search(_ text: String) {
        #expect(!ForeignWords.found(in: text).isEmpty)
    }
}
