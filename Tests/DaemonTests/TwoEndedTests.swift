import Foundation
import NIOCore
import TestSupport
import Testing

@Suite("Two daemons run the two halves of a tunnel", .timeLimit(.minutes(2)))
struct TwoEndedTests {
    /// Bytes that no part of can be taken for another.
    private static let payload = ByteBuffer(bytes: (0..<100_000).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 8)) })

    /// Sends the payload through a user's port and expects it back.
    private static func echo(through port: Int) async throws {
        let user = try await TestClient.connect(port: port)
        try await user.send(payload)
        #expect(try await user.receive(payload.readableBytes) == payload)
        try await user.close()
    }

    /// Connects as one user after another until it is cancelled; throws when the port refuses one.
    private static func knock(at port: Int) async throws {
        while !Task.isCancelled {
            let user = try await TestClient.connect(port: port)
            // One whose link goes with the former session may be cut.
            try? await user.send("knock")
            _ = try await user.receive(5)
            try? await user.close()
        }
    }

    // MARK: The examples

    @Test("examples/reverse-tunnel carries TCP from the server's users to what the client dials, and counts it")
    func reverseTunnel() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = try Example.reverse(tunnel: ports[0], users: ports[1], target: target.port)
        let example = try await Example("web", texts)
        try await example.ready()
        try await Self.echo(through: ports[1])
        let sent = UInt64(Self.payload.readableBytes)
        #expect(try await example.server.instance(named: "web")?.tcprx == sent)
        #expect(try await example.client.instance(named: "web")?.tcprx == sent)
        #expect(try await example.client.instance(named: "web")?.pool ?? 0 > 0)
        try await example.stop()
    }

    @Test("examples/one-port carries users of both tunnels to their own targets through one port")
    func onePort() async throws {
        let web = try await EchoServer.start(.answer("web"))
        let ssh = try await EchoServer.start(.answer("ssh"))
        let ports = try FreePorts.take(3)
        let texts = Example.Texts(
            server: try Example.text(
                "one-port/server.yaml",
                [
                    "0.0.0.0:10104": "127.0.0.1:\(ports[0])", "0.0.0.0:8080": "127.0.0.1:\(ports[1])",
                    "127.0.0.1:2222": "127.0.0.1:\(ports[2])",
                ]
            ),
            client: try Example.text(
                "one-port/client.yaml",
                [
                    "edge.example.com:10104": "127.0.0.1:\(ports[0])", "127.0.0.1:3000": "127.0.0.1:\(web.port)",
                    "127.0.0.1:22": "127.0.0.1:\(ssh.port)",
                ]
            )
        )
        let example = try await Example("web", texts)
        try await example.ready()
        try await example.client.tunnel("ssh") { $0.phase == "ready" }
        for (port, name) in [(ports[1], "web"), (ports[2], "ssh")] {
            #expect(try await Self.answer(at: port) == name)
        }
        try await example.stop()
    }

    /// What a user who says something hears.
    private static func answer(at port: Int) async throws -> String {
        let user = try await TestClient.connect(port: port)
        try await user.send("who?")
        let answer = String(buffer: try await user.receiveAll())
        try? await user.close()
        return answer
    }

    @Test("examples/tls carries TCP to a client that verifies the server's certificate, which the API shows")
    func tls() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = try Example.tls(tunnel: ports[0], users: ports[1], target: target.port)
        let authority = try TestAuthority()
        let trust = try TemporaryDirectory()
        let example = try await Example(
            "db",
            texts,
            certificate: authority.issue(to: ["localhost"], days: -1..<5.5),
            environment: ["SSL_CERT_FILE": try trust.write(authority.pem, to: "ca.crt")]
        )
        try await example.ready()
        try await Self.echo(through: ports[1])
        let certificate = try #require(try await example.server.instance(named: "db")?.certificate)
        #expect(certificate.subject == "CN=test server")
        #expect(certificate.fingerprint.wholeMatch(of: /sha256:([0-9A-F]{2}:){31}[0-9A-F]{2}/) != nil)
        #expect(certificate.expiresInDays == 5)
        #expect(certificate.warning?.contains("expires in 5 days") == true)
        #expect(certificate.notBefore < Date() && certificate.notAfter > Date())
        #expect(try await example.client.instance(named: "db")?.certificate == nil)
        let described = try await DescribeTests.describe("db", on: example.server)
        #expect(described.output.contains("warning: certificate of CN=test server expires in 5 days"))
        try await example.stop()
    }

    @Test(
        "a client gets nothing from a server with another name's certificate, or one of an authority it does not trust",
        arguments: [("another.example.com", true), ("localhost", false)]
    )
    func notVerified(name: String, isTrusted: Bool) async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = try Example.tls(tunnel: ports[0], users: ports[1], target: target.port)
        let authority = try TestAuthority()
        let trust = try TemporaryDirectory()
        let example = try await Example(
            "db",
            texts,
            certificate: authority.issue(to: [name]),
            environment: ["SSL_CERT_FILE": try trust.write((isTrusted ? authority : TestAuthority()).pem, to: "ca.crt")]
        )
        let refused = try await example.client.tunnel("db") { $0.phase == "backoff" }
        #expect(refused.reason == "CertificateInvalid", "\(refused.message ?? "")")
        try await example.stop()
    }

    @Test("examples/udp carries datagrams from the client's users to what the server dials, boundaries kept")
    func udp() async throws {
        let target = try await DatagramEchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = Example.Texts(
            server: try Example.text(
                "udp/server.yaml",
                ["0.0.0.0:10103": "127.0.0.1:\(ports[0])", "10.0.0.53:53": "127.0.0.1:\(target.port)"]
            ),
            client: try Example.text(
                "udp/client.yaml",
                ["edge.example.com:10103": "127.0.0.1:\(ports[0])", "127.0.0.1:5300": "127.0.0.1:\(ports[1])"]
            )
        )
        let example = try await Example("dns", texts)
        try await example.ready()
        let user = try await DatagramClient.connect(port: ports[1])
        var received = user.datagrams.makeAsyncIterator()
        for size in [1, 512, 1232, 9000] {
            let question = ByteBuffer(repeating: UInt8(size % 251), count: size)
            try await user.send(question)
            #expect(await received.next() == question)
        }
        for number in 0..<50 { user.channel.write(ByteBuffer(repeating: UInt8(number), count: 100), promise: nil) }
        user.channel.flush()
        for number in 0..<50 { #expect(await received.next() == ByteBuffer(repeating: UInt8(number), count: 100)) }
        try await user.channel.close()
        try await example.stop()
    }

    // MARK: Keys

    @Test("with another key at one end both say AuthFailed, and neither shows a key")
    func wrongKey() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = try Example.reverse(
            tunnel: ports[0],
            users: ports[1],
            target: target.port,
            serverKey: "first-secret",
            clientKey: "second-secret"
        )
        let example = try await Example("web", texts)
        let server = try await example.server.tunnel("web") { $0.reason == "AuthFailed" }
        #expect(server.phase == "connecting")
        let client = try await example.client.tunnel("web") { $0.reason == "AuthFailed" }
        #expect(client.phase == "backoff" && client.status == "error")
        #expect(!"\(server.message ?? "")\(client.message ?? "")".contains("-secret"))
        #expect(try await example.server.instance(named: "web")?.rejected ?? 0 > 0)
        try await example.stop()
    }

    @Test("a key edited at both ends is taken up without a user's connection refused, and an open one lives on")
    func changedKey() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        func texts(_ key: String) throws -> Example.Texts {
            try Example.reverse(
                tunnel: ports[0],
                users: ports[1],
                target: target.port,
                serverKey: key,
                clientKey: key
            )
        }
        let (before, after) = (try texts("first"), try texts("second"))
        let example = try await Example("web", before)
        try await example.ready()
        let held = try await TestClient.connect(port: ports[1])
        try await held.send("before")
        #expect(try await held.receiveText(6) == "before")
        var events = try await example.server.events().makeAsyncIterator()

        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await Self.knock(at: ports[1]) }
            try example.server.edit(after.server)
            _ = try await events.first { $0.type == "update" && $0.instance?.phase == "connecting" }
            // A user who comes while the ends are apart waits for them.
            let early = try await TestClient.connect(port: ports[1])
            try await early.send("early")
            try example.client.edit(after.client)
            let again = try await events.first { $0.type == "update" && $0.instance?.phase == "ready" }
            #expect(again?.instance?.url.contains("second") == true)
            #expect(try await early.receiveText(5) == "early")
            try await early.close()
            group.cancelAll()
            try await group.waitForAll()
        }
        try await Self.echo(through: ports[1])
        try await held.send("after")
        #expect(try await held.receiveText(5) == "after")
        try await held.close()
        try await example.stop()
    }

    // MARK: Certificates

    @Test("certificate files that cannot be used mean failed with CertificateInvalid, and the message names the file")
    func badCertificates() async throws {
        let ports = try FreePorts.take(2)
        let server = try Example.tls(tunnel: ports[0], users: ports[1], target: ports[1]).server
        let authority = try TestAuthority()
        let directory = try TemporaryDirectory()
        try authority.issue(to: ["localhost"]).write(to: directory, as: "one")
        try authority.issue(to: ["localhost"]).write(to: directory, as: "two")
        try authority.issue(to: ["localhost"], days: -30..<(-1)).write(to: directory, as: "old")
        try directory.write("no certificate", to: "text.crt")
        func tunnel(_ name: String, _ certificate: String, _ key: String) -> String {
            """
              \(name):
                url: server://k@127.0.0.1:0/127.0.0.1:0?mode=1
                tls: {certificate: \(certificate), key: \(key)}

            """
        }
        try directory.write(
            server + tunnel("garbage", "text.crt", "one.key") + tunnel("expired", "old.crt", "old.key")
                + tunnel("mismatch", "one.crt", "two.key"),
            to: "tunnels.yaml"
        )
        let daemon = try await Daemon.start(in: directory, environment: Example.environment)
        for (name, file) in [
            ("db", "server.crt"), ("garbage", "text.crt"), ("expired", "old.crt"), ("mismatch", "two.key"),
        ] {
            let failed = try await daemon.tunnel(name) { $0.phase == "failed" }
            #expect(failed.reason == "CertificateInvalid" && failed.status == "error")
            #expect(failed.message?.contains(directory.file(file)) == true, "\(failed.message ?? "")")
        }
        try await daemon.stop()
    }

    @Test("replaced certificate files are taken up by new links, one by one: no user is cut, open connections go on")
    func replacedCertificate() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = try Example.tls(tunnel: ports[0], users: ports[1], target: target.port)
        let authority = try TestAuthority()
        let trust = try TemporaryDirectory()
        let example = try await Example(
            "db",
            texts,
            certificate: authority.issue(to: ["localhost"]),
            environment: [
                "SSL_CERT_FILE": try trust.write(authority.pem, to: "ca.crt"), "NP_RELOAD_INTERVAL": "1ms",
            ]
        )
        try await example.ready()
        let held = try await TestClient.connect(port: ports[1])
        try await held.send("held")
        #expect(try await held.receiveText(4) == "held")
        let former = try await example.server.instance(named: "db")?.certificate?.fingerprint
        #expect(former != nil)
        try authority.issue(to: ["localhost"]).write(to: example.server.directory)
        // Each user takes a link, for which the client makes a new one.
        while try await example.server.instance(named: "db")?.certificate?.fingerprint == former {
            try await Self.echo(through: ports[1])
        }
        // More than there were links: these users have links with the new certificate.
        for _ in 0..<40 { try await Self.echo(through: ports[1]) }
        try await held.send("on")
        #expect(try await held.receiveText(2) == "on")
        try await held.close()
        try await example.stop()
    }
}
