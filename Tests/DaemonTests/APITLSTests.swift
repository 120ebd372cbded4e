import Config
import Foundation
import NIOCore
import TestSupport
import Testing

@Suite("The API over TLS", .timeLimit(.minutes(2)))
struct APITLSTests {
    private static let loopback = [IPAddress("127.0.0.1")].compactMap(\.self)
    private static let manifest = "version: 1\ntunnels: {}\n"

    /// What curl prints of one request: the answer, then the protocol's version and the status.
    private func curl(_ daemon: Daemon, _ path: String, _ arguments: String...) async throws -> String {
        let finished = try await RunningProcess.run(
            ["-s", "--max-time", "20", "-w", "\n%{http_version} %{http_code}"] + arguments
                + ["-H", "X-API-Key: \(try await daemon.apiKey() ?? "")", "https://\(try daemon.address)\(path)"],
            executable: "/usr/bin/curl"
        )
        return finished.output
    }

    private func fingerprint(_ daemon: Daemon) throws -> String {
        let match = try daemon.log.matches(of: /fingerprint=(sha256:[0-9A-F:]+)/).last
        return String(try #require(match?.output.1))
    }

    /// The fingerprint of what the daemon presents to a new connection.
    private func presented(_ daemon: Daemon) async throws -> String {
        let shell = """
            openssl s_client -connect \(try daemon.address) </dev/null 2>/dev/null \
            | openssl x509 -noout -fingerprint -sha256
            """
        let finished = try await RunningProcess.run(["-c", shell], executable: "/bin/sh")
        let digits = finished.output.split(separator: "=").last.map(String.init) ?? ""
        return "sha256:" + digits.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test("self-signed: HTTP/2 and HTTP/1.1 answer, and the certificate whose fingerprint is printed stays the same")
    func selfSigned() async throws {
        let daemon = try await Daemon.start(manifest: Self.manifest, arguments: ["--tls", "self-signed"])
        let second = try await curl(daemon, "/api/v1/instances", "-k", "--http2")
        #expect(second.hasPrefix(#"[{"id":"********""#) && second.hasSuffix("\n2 200"))
        let first = try await curl(daemon, "/api/v1/instances", "-k", "--http1.1")
        #expect(first.hasPrefix(#"[{"id":"********""#) && first.hasSuffix("\n1.1 200"))
        let body = try await curl(daemon, "/api/v1/instances", "-k", "--http2", "-d", #"{"url":"nonsense"}"#)
        #expect(body.hasSuffix("\n2 400"))
        let printed = try fingerprint(daemon)
        #expect(try await presented(daemon) == printed)
        #expect(try await daemon.stop() == 0)
        let next = try await Daemon.start(in: daemon.directory, arguments: ["--tls", "self-signed"])
        #expect(try fingerprint(next) == printed)
        #expect(try await presented(next) == printed)
        try await next.stop()
    }

    @Test("an event stream over HTTP/2 follows what happens, and does not hold up the daemon's end")
    func stream() async throws {
        let daemon = try await Daemon.start(manifest: Self.manifest, arguments: ["--tls", "self-signed"])
        let key = try await daemon.apiKey() ?? ""
        var reader = try await FollowedProcess.start(
            ["-skN", "--http2", "-H", "X-API-Key: \(key)", "https://\(try daemon.address)/api/v1/events"],
            executable: "/usr/bin/curl"
        )
        #expect(await reader.line(with: /"type":"initial"/) != nil)
        try await daemon.request("POST", "/api/v1/instances", #"{"url":"client://127.0.0.1:0/127.0.0.1:9?mode=1"}"#)
        #expect(await reader.line(with: /"type":"create"/) != nil)
        #expect(await reader.line(with: /"type":"update"/) != nil)
        #expect(try await daemon.stop() == 0)
        #expect(await reader.line(with: /"type":"shutdown"/) != nil)
    }

    @Test("files: clients that trust the authority are served, a renewed pair is used at once, a broken one is not")
    func files() async throws {
        let authority = try TestAuthority()
        let directory = try TemporaryDirectory()
        let trusted = try directory.write(authority.pem, to: "ca.crt")
        try authority.issue(to: ["localhost"], addresses: Self.loopback).write(to: directory)
        let pair = "\(directory.path)/server.crt,\(directory.path)/server.key"
        let daemon = try await Daemon.start(manifest: Self.manifest, arguments: ["--tls", pair])
        let served = try await curl(daemon, "/healthz", "--cacert", trusted)
        #expect(served.hasSuffix("2 200"))
        let before = try fingerprint(daemon)
        #expect(try await presented(daemon) == before)

        try authority.issue(to: ["localhost"], addresses: Self.loopback).write(to: directory)
        let after = try await changed(daemon, from: before)
        #expect(try fingerprint(daemon) == after)
        _ = try directory.write("no certificate", to: "server.crt", atomically: true)
        try await logged(daemon, "the previous one stays in use")
        #expect(try await presented(daemon) == after)
        try await daemon.stop()
    }

    /// Connects until the daemon presents another certificate: a connection has the files looked
    /// at, once a second.
    private func changed(_ daemon: Daemon, from before: String) async throws -> String {
        while true {
            let now = try await presented(daemon)
            if now != before { return now }
        }
    }

    private func logged(_ daemon: Daemon, _ text: String) async throws {
        while try !daemon.log.contains(text) { _ = try await presented(daemon) }
    }

    @Test("a client that speaks plain HTTP gets an answer that says so")
    func plain() async throws {
        let daemon = try await Daemon.start(manifest: Self.manifest, arguments: ["--tls", "self-signed"])
        let port = try #require(Int(daemon.address.split(separator: ":").last ?? ""))
        let client = try await TestClient.connect(port: port)
        try await client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        let answer = String(buffer: try await client.receiveAll())
        #expect(
            answer == "HTTP/1.0 400 Bad Request\r\nAccess-Control-Allow-Origin: *\r\n\r\n"
                + "Client sent an HTTP request to an HTTPS server.\n"
        )
        try await daemon.stop()
    }

    @Test("files that cannot be used stop the start, with the reason", arguments: [true, false])
    func unusable(_ exists: Bool) async throws {
        let directory = try TemporaryDirectory()
        if exists { _ = try directory.write("no certificate", to: "a.crt") }
        let finished = try await RunningProcess.run([
            "run", "--listen", "127.0.0.1:0", "--state-dir", directory.path + "/state",
            "--tls", "\(directory.path)/a.crt,\(directory.path)/a.key",
        ])
        #expect(finished.code == 1)
        #expect(finished.errors.contains("TLS of the API: certificate \(directory.path)/a.crt"))
    }

    @Test("the log warns when other machines can reach the API without TLS, and not with TLS")
    func warning() async throws {
        let warning = "Other machines can reach the API without TLS"
        let open = try await Daemon.start(manifest: Self.manifest, listen: "0.0.0.0:0")
        #expect(try open.log.contains(warning))
        try await open.stop()
        let closed = try await Daemon.start(
            manifest: Self.manifest,
            listen: "0.0.0.0:0",
            arguments: ["--tls", "self-signed"]
        )
        #expect(try !closed.log.contains(warning))
        try await closed.stop()
    }
}
