import Foundation
import TestSupport
import Testing

@Suite("nodepass describe", .timeLimit(.minutes(2)))
struct DescribeTests {
    static func describe(_ name: String, on daemon: Daemon) async throws -> RunningProcess.Finished {
        try await RunningProcess.run(["describe", name, "--state-dir", daemon.stateDirectory])
    }

    @Test("both ends of a tunnel are described with direction, figures and certificate, and without the key")
    func twoEnds() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = try Example.reverse(
            tunnel: ports[0],
            users: ports[1],
            target: target.port,
            serverKey: "s3cret-key",
            clientKey: "s3cret-key"
        )
        let example = try await Example("web", texts)
        try await example.ready()
        let user = try await TestClient.connect(port: ports[1])
        try await user.send(String(repeating: "x", count: 1500))
        _ = try await user.receive(1500)

        let server = try await Self.describe("web", on: example.server)
        #expect(server.code == 0)
        let id = try await example.server.instance(named: "web")?.id ?? ""
        for line in [
            /Name: +web/, /Origin: +manifest, .*tunnels\.yaml:[0-9]+/, /URL: +server:\/\/•+@127\.0\.0\.1:.*/,
            /Phase: +ready since [-0-9]+ [:0-9]+ UTC/,
            /Mode: +reverse: users connect here, the client connects to the target/,
            /Connections: +1 \(1 TCP, 0 UDP\)/, /Traffic: +TCP 1\.5kB in, 1\.5kB out/, /\ +UDP 0B in, 0B out/,
            /Pool: +[1-9][0-9]* idle/, /Ping: +[0-9]+ ms/, /Rejected: +0/, /Certificate: +O=v1\.14\.0.*/,
            /\ +sha256:[0-9A-F:]{95}/, /\ +valid until [-0-9]+ [:0-9]+ UTC \([0-9]+ days\)/,
            /History: +[-0-9]+ [:0-9]+ UTC  stopped/, /\ +[-0-9]+ [:0-9]+ UTC  ready/,
        ] {
            #expect(
                server.output.split(separator: "\n").contains { $0.wholeMatch(of: line) != nil },
                "\(server.output)"
            )
        }
        #expect(server.output.contains("Id:          \(id)\n"))
        #expect(server.output.contains("Listening:   127.0.0.1:\(ports[1]), 127.0.0.1:\(ports[0])\n"))
        #expect(!server.output.contains("warning") && !server.output.contains("Override"))

        let client = try await Self.describe("web", on: example.client)
        #expect(
            client.output.contains(
                "Mode:        dual, reverse: users connect to the server, this end connects to the target\n"
            )
        )
        #expect(!client.output.contains("Listening") && !client.output.contains("Certificate"))
        #expect(!(server.output + client.output).contains("s3cret-key"))
        try await user.close()
        try await example.stop()
    }

    @Test("an override, a failure and its reason stand out; a name nobody has is an error")
    func troubles() async throws {
        let squatter = try await EchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(
            manifest: DeclaredTunnelTests.manifest(("web", port, squatter.port), ("taken", squatter.port, port))
        )
        let id = try #require(try await daemon.instance(named: "web")?.id)
        let url = "client://s3cret-key@127.0.0.1:\(port)/127.0.0.1:\(squatter.port)?mode=1"
        let body = #"{"url":"\#(url)"}"#
        #expect(try await daemon.request("PUT", "/api/v1/instances/\(id)?ttl=1h", body).status == 200)
        let patch = #"{"alias":"My web","action":"stop","note":"INC-42"}"#
        #expect(try await daemon.request("PATCH", "/api/v1/instances/\(id)?ttl=1h", patch).status == 200)
        try await daemon.tunnel("web") { $0.phase == "stopped" }

        let web = try await Self.describe("My web", on: daemon)
        #expect(web.output.contains(/Override: +state stopped, url client:\/\/•+@127\.0\.0\.1:[^ ]+, alias My web\n/))
        #expect(
            web.output.contains(
                /\n +since [-0-9]+ [:0-9]+ UTC, until [-0-9]+ [:0-9]+ UTC, by [^ ]+ \(local CLI\): INC-42\n/
            )
        )
        #expect(web.output.contains(/UTC  override  (stop|start)  by [^ ]+ \(local CLI\): INC-42\n/))
        #expect(web.output.contains(/Phase: +stopped since/))
        #expect(!web.output.contains("s3cret-key") && !web.output.contains("Pool:"))

        let taken = try await Self.describe("taken", on: daemon)
        #expect(taken.output.contains(/Phase: +backoff since/))
        #expect(taken.output.contains(/Reason: +PortInUse\n +tcp 127\.0\.0\.1:[0-9]+ is in use/))

        let nobody = try await Self.describe("nobody", on: daemon)
        #expect(nobody.code == 1 && nobody.errors.contains("nobody"))
        try await daemon.stop()
    }
}
