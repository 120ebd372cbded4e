import Config
import Crypto
import FoundationEssentials
import NIOCore
import NIOEmbedded
import NIOPosix
import NIOSSL
import NIOTLS
import SwiftASN1
import Synchronization
import TestSupport
import Testing
import X509

@testable import Tunnel

@Suite("Certificates, their files and their reloading", .timeLimit(.minutes(1)))
struct TransportSecurityTests {
    private let directory: TemporaryDirectory
    private let authority: TestAuthority

    init() throws {
        directory = try TemporaryDirectory()
        authority = try TestAuthority()
    }

    // MARK: Fingerprints and dates

    @Test("a fingerprint is what openssl and the reference print")
    func fingerprint() throws {
        let pem = """
            -----BEGIN CERTIFICATE-----
            MIIBejCCAR+gAwIBAgIUeEQxu55qKNH418dn98unshUVuHcwCgYIKoZIzj0EAwIwEjEQMA4GA1UE
            CgwHdjEuMTQuMDAeFw0yNjExMjQxMTUxMjNaFw0yNzExMjQxMTUxMjNaMBIxEDAOBgNVBAoMB3Yx
            LjE0LjAwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAST8AjBKyJYIVAN+WTCjG8KoMZOY0kBM47F
            cMH1RoEW7FSlT7ip7F/R5+oB3XOgZ6qBSQfhaF7bxFa+mqyH556Mo1MwUTAdBgNVHQ4EFgQUULmK
            0DvEcWtOJVdLx5wsRACKX1AwHwYDVR0jBBgwFoAUULmK0DvEcWtOJVdLx5wsRACKX1AwDwYDVR0T
            AQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAusRaE2/lmJ/OC6BOJtZpZBXQtvDxcyLApxLm
            u3XcM+0CIQC1HP1MnhXnXFeD8YFwQZOffc9mGwOjw1oOxnKl8QNqBg==
            -----END CERTIFICATE-----
            """
        let expected =
            "sha256:55:A4:BA:76:21:AC:FD:70:B0:1D:BC:FD:FE:1A:D2:09:BE:7B:E7:DD:D5:9B:7E:84:32:85:ED:5C:1B:82:55:66"
        let certificate = try NIOSSLCertificate(bytes: Array(pem.utf8), format: .pem)
        #expect(try CertificateSummary.fingerprint(of: certificate) == expected)
        let summary = try CertificateSummary(der: certificate.toDERBytes(), path: "/srv/v.crt")
        #expect(summary.fingerprint == expected)
        #expect(summary.subject == "O=v1.14.0")
        #expect(summary.notBefore == Date(timeIntervalSince1970: 1_795_521_083))
        #expect(!summary.isSelfMade)
        // Times from its end on 2027-11-24 at 11:51:23 UTC.
        let warnings = [
            14.5: nil, 13.5: "expires in 13 days", 1: "expires in 1 day", 0.5: "expires in less than a day",
            -2: "has expired",
        ]
        for (daysLeft, when) in warnings {
            let warning = summary.expiryWarning(now: summary.notAfter.addingTimeInterval(-daysLeft * 86_400))
            #expect(warning == when.map { "certificate of O=v1.14.0 \($0) (2027-11-24); renew /srv/v.crt" })
        }
    }

    @Test("a certificate without a subject goes by its first name")
    func emptySubject() throws {
        let mode = try authority.issue(to: ["a.example", "b.example"], subject: nil).write(to: directory)
        #expect(try credentials(mode).current().certificate.subject == "a.example")
    }

    // MARK: The certificate of this process

    @Test("the certificate in memory has the reference's fields")
    func selfSigned() throws {
        let credentials = try credentials(.selfSigned)
        let presented = try presentedCertificate(of: credentials)
        let certificate = try Certificate(derEncoded: presented)
        let summary = credentials.current().certificate
        #expect(summary.fingerprint == CertificateSummary.fingerprint(ofDER: presented))
        #expect(summary.isSelfMade)
        #expect(summary.subject == "O=v1.14.0")
        #expect(summary.expiryWarning(now: .distantFuture) == nil)
        #expect(certificate.subject == certificate.issuer)
        #expect((9...17).contains(certificate.serialNumber.bytes.count))
        #expect(certificate.signatureAlgorithm == .ecdsaWithSHA256)
        #expect(P256.Signing.PublicKey(certificate.publicKey) != nil)
        #expect(certificate.publicKey.isValidSignature(certificate.signature, for: certificate))
        #expect(certificate.notValidAfter.timeIntervalSince(certificate.notValidBefore) == 365 * 86_400)
        #expect(certificate.notValidBefore < Date())
        #expect(certificate.extensions.count == 2)
        let usage = try #require(certificate.extensions[oid: .X509ExtensionID.keyUsage])
        #expect(usage.critical)
        #expect(try KeyUsage(usage) == KeyUsage(digitalSignature: true, keyEncipherment: true))
        #expect(try certificate.extensions.extendedKeyUsage == ExtendedKeyUsage([.serverAuth]))
    }

    @Test("every tunnel of the process presents the same one")
    func onePerProcess() throws {
        let first = try credentials(.selfSigned).current().certificate
        let second = try credentials(.selfSigned).current().certificate
        #expect(first == second)
    }

    @Test("without TLS there is nothing to present")
    func off() throws {
        #expect(try ServerCredentials(.off) == nil)
    }

    // MARK: Files

    @Test("keys are read in every usual form", arguments: TestAuthority.KeyForm.allCases)
    func keyForms(_ form: TestAuthority.KeyForm) throws {
        let mode = try authority.issue(to: ["a.example"], keyForm: form).write(to: directory)
        let summary = try credentials(mode).current().certificate
        #expect(summary.subject == "CN=test server")
        #expect(summary.path == directory.file("server.crt"))
    }

    @Test("a certificate that is not valid yet is presented: the clock may be what is wrong")
    func notYetValid() throws {
        let mode = try authority.issue(to: ["a.example"], days: 1..<30).write(to: directory)
        #expect(try ServerCredentials(mode) != nil)
    }

    struct BadFiles: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// What is said besides the path.
        let complaint: String
        let culprit: String
        let spoil: @Sendable (TemporaryDirectory, TestAuthority) throws -> Void
    }

    @Test(
        "files that can not be used are refused with their path and what is wrong",
        arguments: [
            BadFiles(testDescription: "no certificate", complaint: "No such file", culprit: "server.crt") {
                directory,
                _ in
                try FileManager.default.removeItem(atPath: directory.file("server.crt"))
            },
            BadFiles(testDescription: "no key", complaint: "No such file", culprit: "server.key") { directory, _ in
                try FileManager.default.removeItem(atPath: directory.file("server.key"))
            },
            BadFiles(testDescription: "a directory", complaint: "not a regular file", culprit: "server.key") {
                directory,
                _ in
                try FileManager.default.removeItem(atPath: directory.file("server.key"))
                try FileManager.default.createDirectory(
                    atPath: directory.file("server.key"),
                    withIntermediateDirectories: false
                )
            },
            BadFiles(testDescription: "garbage", complaint: "no readable PEM certificate", culprit: "server.crt") {
                directory,
                _ in
                try directory.write("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", to: "server.crt")
            },
            BadFiles(testDescription: "garbage key", complaint: "no readable PEM private key", culprit: "server.key") {
                directory,
                _ in
                try directory.write("top secret", to: "server.key")
            },
            BadFiles(testDescription: "encrypted key", complaint: "openssl pkey", culprit: "server.key") {
                directory,
                _ in
                try directory.write("-----BEGIN ENCRYPTED PRIVATE KEY-----\n", to: "server.key")
            },
            BadFiles(testDescription: "too large", complaint: "larger than 1048576", culprit: "server.crt") {
                directory,
                _ in
                try directory.write(String(repeating: "#", count: CertificateFiles.limitBytes + 1), to: "server.crt")
            },
            BadFiles(testDescription: "another's key", complaint: "does not belong", culprit: "server.key") {
                directory,
                authority in
                try directory.write(authority.issue(to: ["a.example"]).keyPEM, to: "server.key")
            },
            BadFiles(testDescription: "a key of another kind", complaint: "does not belong", culprit: "server.key") {
                directory,
                authority in
                try directory.write(authority.issue(to: ["a.example"], keyForm: .pkcs1).keyPEM, to: "server.key")
            },
            BadFiles(testDescription: "expired", complaint: "expired on 20", culprit: "server.crt") {
                directory,
                authority in
                try authority.issue(to: ["a.example"], days: -30 ..< -1).write(to: directory)
            },
        ]
    )
    func badFiles(_ bad: BadFiles) throws {
        let mode = try authority.issue(to: ["a.example"]).write(to: directory)
        try bad.spoil(directory, authority)
        let error = try #require(throws: TunnelError.self) { try ServerCredentials(mode) }
        #expect(error.reason == .certificateInvalid)
        #expect(error.message.contains(directory.file(bad.culprit)))
        #expect(error.message.contains(bad.complaint))
        #expect(!error.message.contains("secret"))
    }

    @Test("tls=2 without files says what it needs")
    func filesMissing() throws {
        let error = try #require(throws: TunnelError.self) { try ServerCredentials(.filesMissing) }
        #expect(error == TunnelError(.certificateInvalid, "tls=2 needs crt and key, the paths of two PEM files"))
    }

    // MARK: Reloading

    @Test("a renewed pair is presented to new links")
    func renewed() async throws {
        let watched = try WatchedCredentials(authority.issue(to: ["a.example"]), in: directory)
        let old = watched.credentials.current().certificate
        try authority.issue(to: ["a.example"], subject: "renewed").write(to: directory)
        watched.clock.advance(by: ServerCredentials.lookInterval)
        let outcome = try #require(try await watched.look())
        guard case .replaced(let fresh) = outcome else { throw outcome.problem }
        #expect(fresh.subject == "CN=renewed")
        #expect(watched.credentials.current().certificate == fresh)
        let presented = try presentedCertificate(of: watched.credentials)
        #expect(CertificateSummary.fingerprint(ofDER: presented) == fresh.fingerprint)
        #expect(fresh.fingerprint != old.fingerprint)
    }

    @Test("a pair that can not be used is reported once, and the last good one stays until it is mended")
    func badPairKept() async throws {
        let watched = try WatchedCredentials(authority.issue(to: ["a.example"]), in: directory)
        let good = watched.credentials.current().certificate
        let renewed = try authority.issue(to: ["a.example"], subject: "renewed")
        try directory.write(renewed.pem, to: "server.crt", atomically: true)
        watched.clock.advance(by: ServerCredentials.lookInterval)
        let outcome = try #require(try await watched.look())
        guard case .rejected(let error) = outcome else { throw outcome.problem }
        #expect(error.reason == .certificateInvalid)
        #expect(error.message.contains(directory.file("server.key")))
        watched.clock.advance(by: ServerCredentials.lookInterval)
        #expect(try await watched.look() == nil)
        #expect(watched.credentials.current().certificate == good)
        try renewed.write(to: directory)
        watched.clock.advance(by: ServerCredentials.lookInterval)
        _ = try await watched.look()
        #expect(watched.credentials.current().certificate.subject == "CN=renewed")
    }

    @Test("files are looked at once an interval", arguments: [nil, Duration.seconds(3600)])
    func interval(_ given: Duration?) async throws {
        let watched = try WatchedCredentials(authority.issue(to: ["a.example"]), in: directory, interval: given)
        let interval = given ?? .seconds(1)
        try authority.issue(to: ["a.example"]).write(to: directory)
        watched.clock.advance(by: interval - .milliseconds(1))
        #expect(try await watched.look() == nil)
        watched.clock.advance(by: .milliseconds(1))
        #expect(try await watched.look() != nil)
        try authority.issue(to: ["a.example"]).write(to: directory)
        #expect(try await watched.look() == nil)
        watched.clock.advance(by: interval)
        #expect(try await watched.look() != nil)
    }

    @Test("files that stay are not loaded again")
    func unchanged() async throws {
        let watched = try WatchedCredentials(authority.issue(to: ["a.example"]), in: directory)
        watched.clock.advance(by: ServerCredentials.lookInterval)
        #expect(try await watched.look() == nil)
    }

    // MARK: Handshakes

    @Test("tls=1 accepts any certificate, names no server and shows what it saw")
    func anyCertificate() throws {
        let credentials = try credentials(.selfSigned)
        let handler = try ClientTrust(authorities: nil).handler(.anyCertificate, serverName: nil)
        let connection = try TLSConnection(handler, to: credentials.current().context)
        #expect(try connection.carries("hello"))
        #expect(connection.nameAskedFor == .fallback)
        #expect(try connection.version() == .tlsv13)
        let peer = try #require(handler.peerCertificate)
        #expect(try CertificateSummary.fingerprint(of: peer) == credentials.current().certificate.fingerprint)
    }

    @Test("tls=2 accepts a certificate of a trusted authority for the name it asks for")
    func verified() throws {
        let server = try serve(authority.issue(to: ["tunnel.example"]))
        let handler = try trust().handler(.verified, serverName: "tunnel.example.")
        let connection = try TLSConnection(handler, to: server)
        #expect(try connection.carries("hello"))
        #expect(connection.nameAskedFor == .hostname("tunnel.example"))
    }

    @Test("tls=2 follows a chain to a root the server does not send")
    func chain() throws {
        let server = try serve(authority.subordinate("middle").issue(to: ["tunnel.example"]))
        let handler = try trust().handler(.verified, serverName: "tunnel.example")
        #expect(try TLSConnection(handler, to: server).carries("hello"))
    }

    @Test(
        "tls=2 to an address wants that address in the certificate",
        arguments: [("192.0.2.7", true), ("192.0.2.8", false)]
    )
    func address(_ address: String, isAccepted: Bool) throws {
        let server = try serve(authority.issue(to: [], addresses: [#require(IPAddress("192.0.2.7"))]))
        let handler = try trust().handler(.verified, serverName: nil)
        let connection = try TLSConnection(handler, to: server, at: address)
        #expect(connection.nameAskedFor == nil)
        if isAccepted {
            #expect(try connection.carries("hello"))
        } else {
            #expect(throws: NIOSSLExtraError.self) { try connection.carries("hello") }
        }
    }

    @Test("tls=2 refuses another name")
    func wrongName() throws {
        let server = try serve(authority.issue(to: ["other.example"]))
        let handler = try trust().handler(.verified, serverName: "tunnel.example")
        let error = try #require(throws: NIOSSLExtraError.self) {
            try TLSConnection(handler, to: server).carries("hello")
        }
        #expect(error == .failedToValidateHostname)
    }

    @Test("tls=2 refuses an authority it does not know, and a certificate in memory")
    func unknownAuthority() throws {
        let stranger = try serve(TestAuthority("stranger").issue(to: ["tunnel.example"]))
        let selfSigned = try credentials(.selfSigned).current().context
        for server in [stranger, selfSigned] {
            let handler = try trust().handler(.verified, serverName: "tunnel.example")
            #expect(throws: NIOSSLError.self) { try TLSConnection(handler, to: server).carries("hello") }
        }
    }

    @Test("links speak TLS 1.3 and nothing older; the web handshake takes 1.2")
    func versions() throws {
        let certificate = try authority.issue(to: ["tunnel.example"])
        var old = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(certificate.pem.utf8)).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(certificate.keyPEM.utf8), format: .pem))
        )
        old.maximumTLSVersion = .tlsv12
        let oldServer = try NIOSSLContext(configuration: old)
        let trust = try trust()
        for policy in [ClientTrust.Policy.anyCertificate, .verified] {
            let handler = try trust.handler(policy, serverName: "tunnel.example")
            #expect(throws: NIOSSLError.self) { try TLSConnection(handler, to: oldServer).carries("hello") }
        }
        let web = try TLSConnection(trust.handler(.web, serverName: "tunnel.example"), to: oldServer)
        #expect(try web.carries("hello"))
        #expect(try web.version() == .tlsv12)

        var oldClient = TLSConfiguration.makeClientConfiguration()
        oldClient.certificateVerification = .none
        oldClient.maximumTLSVersion = .tlsv12
        let handler = try NIOSSLClientHandler(context: NIOSSLContext(configuration: oldClient), serverHostname: nil)
        let server = try serve(certificate)
        #expect(throws: NIOSSLError.self) { try TLSConnection(handler, to: server).carries("hello") }
    }

    // MARK: Names and authorities

    @Test(
        "a server is asked for by sni, else by its host's name",
        arguments: [
            ("s.example", "h.example", "s.example"), (nil, "h.example", "h.example"),
            ("none", "h.example", "h.example"),
            ("", "h.example", "h.example"), ("s.example", "192.0.2.1", "s.example"), (nil, "192.0.2.1", nil),
            (nil, "2001:db8::1", nil), (nil, "fe80::1%eth0", nil), (nil, "", nil),
        ] as [(String?, String, String?)]
    )
    func serverName(sni: String?, host: String, expected: String?) {
        #expect(ClientTrust.serverName(sni: sni, host: host) == expected)
    }

    @Test(
        "a name that can not be asked for is an error of the spec",
        arguments: [
            "192.0.2.1", "2001:db8::1", "", ".", "a_b.example", "bücher.example", "nul\0",
            String(repeating: "a", count: 256),
        ]
    )
    func impossibleNames(_ name: String) throws {
        let error = try #require(throws: TunnelError.self) {
            try ClientTrust(authorities: nil).handler(.anyCertificate, serverName: name)
        }
        #expect(error.reason == .invalidSpec)
    }

    @Test("contexts are made once; one that can not be made says why, and is tried again")
    func contexts() throws {
        let trust = try trust()
        for policy in ClientTrust.Policy.allCases {
            #expect(try trust.context(policy) === trust.context(policy))
        }
        let path = directory.file("authorities.pem")
        let lost = ClientTrust(authorities: path)
        let error = try #require(throws: TunnelError.self) { try lost.context(.verified) }
        #expect(error.reason == .certificateInvalid)
        #expect(error.message.contains(path))
        try directory.write(authority.pem, to: "authorities.pem")
        _ = try lost.context(.verified)
    }

    @Test(
        "authorities that change are followed from the next session on; while they cannot be read the former ones stay"
    )
    func changedAuthorities() throws {
        let trust = try trust()
        #expect(!trust.hasContext(.verified))
        try trust.refresh(.verified)
        let former = try trust.context(.verified)
        try trust.refresh(.verified)
        #expect(try trust.context(.verified) === former)
        let other = try TestAuthority()
        let server = try serve(other.issue(to: ["a.example"]))
        #expect(throws: NIOSSLError.self) {
            try TLSConnection(trust.handler(.verified, serverName: "a.example"), to: server).carries("hello")
        }
        try directory.write("half of a", to: "ca.pem", atomically: true)
        #expect(throws: TunnelError.self) { try trust.refresh(.verified) }
        #expect(trust.hasContext(.verified))
        #expect(try trust.context(.verified) === former)
        try directory.write(other.pem, to: "ca.pem", atomically: true)
        try trust.refresh(.verified)
        #expect(try TLSConnection(trust.handler(.verified, serverName: "a.example"), to: server).carries("hello"))
    }

    // MARK: Parts

    private func trust() throws -> ClientTrust {
        ClientTrust(authorities: try directory.write(authority.pem, to: "ca.pem"))
    }

    private func credentials(_ mode: TLSMode) throws -> ServerCredentials {
        let credentials = try ServerCredentials(mode)
        return try #require(credentials)
    }

    private func serve(_ certificate: TestCertificate) throws -> NIOSSLContext {
        try credentials(certificate.write(to: directory)).current().context
    }

    /// The DER form of what a client gets to see.
    private func presentedCertificate(of credentials: ServerCredentials) throws -> [UInt8] {
        let handler = try ClientTrust(authorities: nil).handler(.anyCertificate, serverName: nil)
        #expect(try TLSConnection(handler, to: credentials.current().context).carries("hello"))
        return try #require(handler.peerCertificate).toDERBytes()
    }
}

/// Credentials of a pair of files, on a clock that stands still and a pool that does one thing after another.
private final class WatchedCredentials {
    let clock = ManualClock()
    let credentials: ServerCredentials
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let outcomes = OutcomeLog()

    init(_ certificate: TestCertificate, in directory: TemporaryDirectory, interval: Duration? = nil) throws {
        let mode = try certificate.write(to: directory)
        let credentials = try ServerCredentials(mode, reloadInterval: interval, clock: clock)
        self.credentials = try #require(credentials)
        pool.start()
    }

    deinit {
        pool.shutdownGracefully { _ in }
    }

    /// What a link accepted now has reported, if anything.
    func look() async throws -> ServerCredentials.ReloadOutcome? {
        credentials.refreshIfDue(on: pool) { [outcomes] outcome in outcomes.last.withLock { $0 = outcome } }
        try await pool.runIfActive {}
        return outcomes.last.withLock { last in
            defer { last = nil }
            return last
        }
    }

    private final class OutcomeLog: Sendable {
        let last = Mutex<ServerCredentials.ReloadOutcome?>(nil)
    }
}

extension ServerCredentials.ReloadOutcome {
    /// What to fail a test with that expected the other case.
    fileprivate var problem: any Error {
        switch self {
        case .rejected(let error): error
        case .replaced(let summary): TunnelError(.internalError, "replaced by \(summary.subject)")
        }
    }
}

/// Both ends of one TLS connection, in memory.
final class TLSConnection {
    private let client: EmbeddedChannel
    private let server: EmbeddedChannel
    private let asked = NameAskedFor()

    private final class NameAskedFor: Sendable {
        let result = Mutex<SNIResult?>(nil)
    }

    init(_ handler: NIOSSLClientHandler, to context: NIOSSLContext, at address: String = "192.0.2.1") throws {
        let peer = try SocketAddress(ipAddress: address, port: 10101)
        client = EmbeddedChannel(handler: handler)
        server = EmbeddedChannel()
        let names = SNIHandler { [asked, loop = server.eventLoop] result in
            asked.result.withLock { $0 = result }
            return loop.makeSucceededVoidFuture()
        }
        let pipeline = server.pipeline.syncOperations
        try pipeline.addHandlers([ByteToMessageHandler(names), NIOSSLServerHandler(context: context)])
        client.remoteAddress = peer
        client.connect(to: peer, promise: nil)
        server.connect(to: peer, promise: nil)
    }

    var nameAskedFor: SNIResult? { asked.result.withLock { $0 } }

    func version() throws -> TLSVersion? {
        try client.pipeline.syncOperations.nioSSL_tlsVersion()
    }

    /// Whether a text reaches the server; throws what either end makes of the other.
    func carries(_ text: String) throws -> Bool {
        try exchange()
        client.writeAndFlush(ByteBuffer(string: text), promise: nil)
        try exchange()
        return try server.readInbound(as: ByteBuffer.self) == ByteBuffer(string: text)
    }

    private func exchange() throws {
        var isMoving = true
        while isMoving {
            isMoving = false
            client.embeddedEventLoop.run()
            server.embeddedEventLoop.run()
            while let bytes = try client.readOutbound(as: ByteBuffer.self) {
                isMoving = true
                try server.writeInbound(bytes)
            }
            while let bytes = try server.readOutbound(as: ByteBuffer.self) {
                isMoving = true
                try client.writeInbound(bytes)
            }
        }
    }
}
