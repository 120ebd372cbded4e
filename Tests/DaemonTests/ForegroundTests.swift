import Config
import Foundation
import TestSupport
import Testing

@Suite("One tunnel in the foreground, as NodePass is started", .timeLimit(.minutes(2)))
struct ForegroundTests {
    @Test("server:// and client:// print what NodePass's masters and scripts look for, and never the key")
    func twoEnds() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let often = ["NP_REPORT_INTERVAL": "100ms"]
        var server = try await FollowedProcess.start(
            ["server://s3cret-key@127.0.0.1:\(ports[0])/127.0.0.1:\(ports[1])?mode=1&tls=1&log=debug"],
            environment: often
        )
        var client = try await FollowedProcess.start(
            ["client://s3cret-key@127.0.0.1:\(ports[0])/127.0.0.1:\(target.port)?mode=2&min=4&log=debug"],
            environment: often
        )
        #expect(await server.line(with: /Marking tunnel handshake as complete in [0-9]+ms/) != nil)
        #expect(await client.line(with: /Marking tunnel handshake as complete in [0-9]+ms/) != nil)
        let fingerprint = /TLS certificate fingerprint verified: sha256:[0-9A-F:]{95}/
        #expect(await server.line(with: fingerprint) != nil)
        #expect(await client.line(with: fingerprint) != nil)
        let user = try await TestClient.connect(port: ports[1])
        try await user.send("hello")
        #expect(try await user.receiveText(5) == "hello")
        #expect(await server.line(with: /CHECK_POINT\|MODE=1\|PING=[0-9]+ms\|POOL=[1-9][0-9]*\|TCPS=1/) != nil)
        #expect(await client.line(with: /CHECK_POINT\|MODE=2\|PING=[0-9]+ms\|POOL=[1-9][0-9]*\|TCPS=1/) != nil)
        try await user.close()
        client.process.signal(SIGTERM)
        #expect(try await client.end() == 0)
        server.process.signal(SIGTERM)
        #expect(try await server.end() == 0)
        for lines in [server.seen, client.seen, [try server.process.errors, try client.process.errors]] {
            #expect(!lines.contains { $0.contains("s3cret-key") })
        }
    }

    @Test(
        "a stop says for how long it waits for connections, and why no longer",
        arguments: [
            (["--shutdown-timeout", "1s"], "reason=--shutdown-timeout within=1s"),
            ([], "reason=--shutdown-timeout sets another limit within=5s"),
        ] as [([String], String)]
    )
    func stopping(_ options: [String], _ expected: String) async throws {
        let port = try FreePorts.one()
        var client = try await FollowedProcess.start(
            ["client://127.0.0.1:\(port)/127.0.0.1:9?mode=1&drain=90s"] + options
        )
        #expect(await client.line(with: /Client started/) != nil)
        client.process.signal(SIGTERM)
        #expect(try await client.end() == 0)
        #expect(client.seen.contains { $0.contains("INFO  Stopping \(expected)") })
    }

    @Test("what keeps it from starting is a line of the log where that is JSON")
    func jsonFailure() async throws {
        let finished = try await RunningProcess.run([
            "server://k@127.0.0.1:0/127.0.0.1:0?mode=1&type=9", "--log-format", "json",
        ])
        #expect(finished.code == 1)
        let lines = finished.errors.split(separator: "\n")
        let line = try JSONParser.parse(Array(try #require(lines.first).utf8))
        #expect(lines.count == 1 && line["level"] == "error")
        #expect(lines.first?.contains("\"message\":\"start: ") == true)
    }

    @Test(
        "a tunnel that can never run says why and exits 1",
        arguments: [
            ("tls=2", "tls=2 needs crt and key"),
            ("tls=2&crt=/nowhere/a.crt&key=/nowhere/a.key", "/nowhere/a.crt"),
            ("tls=2&crt=/nowhere/a.crt&key=/nowhere/a.key&log=none", "/nowhere/a.crt"),
            ("type=9", "unknown type '9'"),
        ]
    )
    func neverRuns(query: String, reason: String) async throws {
        let finished = try await RunningProcess.run(["server://k@127.0.0.1:0/127.0.0.1:0?mode=1&\(query)"])
        #expect(finished.code == 1)
        #expect(finished.errors.hasPrefix("Error: start: ") && finished.errors.contains(reason))
    }

    @Test("a client that finds out later that it can never run ends too, and its server stays")
    func failsLater() async throws {
        let ports = try FreePorts.take(2)
        let directory = try TemporaryDirectory()
        try TestAuthority().issue(to: ["localhost"]).write(to: directory)
        let files = "crt=\(directory.file("server.crt"))&key=\(directory.file("server.key"))"
        var server = try await FollowedProcess.start([
            "server://k@127.0.0.1:\(ports[0])/127.0.0.1:\(ports[1])?mode=1&tls=2&\(files)"
        ])
        #expect(await server.line(with: /Pending tunnel handshake/) != nil)
        let client = try await RunningProcess.run(
            ["client://k@localhost:\(ports[0])/127.0.0.1:9?mode=2"],
            environment: ["SSL_CERT_FILE": "/nowhere/ca.crt"]
        )
        #expect(client.code == 1)
        #expect(client.errors.contains("/nowhere/ca.crt"))
        server.process.signal(SIGTERM)
        #expect(try await server.end() == 0)
    }
}
