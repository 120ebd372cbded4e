import Foundation
import GRDB
import TestSupport
import Testing

@Suite("An operator's day with the command line", .timeLimit(.minutes(2)))
struct OperatorTests {
    /// Runs a command against a daemon.
    static func nodepass(_ arguments: String..., on daemon: Daemon) async throws -> RunningProcess.Finished {
        try await RunningProcess.run(arguments + ["--state-dir", daemon.stateDirectory])
    }

    static func lines(_ finished: RunningProcess.Finished) -> [String] {
        finished.output.split(separator: "\n").map(String.init)
    }

    @Test("plan says what an edit would do and exits 2, apply does it and exits 0, plan then has nothing and exits 0")
    func planAndApply() async throws {
        let server = try await EchoServer.start()
        let ports = try FreePorts.take(4)
        let daemon = try await Daemon.start(
            manifest: DeclaredTunnelTests.manifest(("web", ports[0], server.port), ("db", ports[1], server.port))
        )
        let none = try await Self.nodepass("plan", on: daemon)
        #expect(none.code == 0)
        #expect(none.output == "Plan: nothing to do, 2 unchanged.\n")

        let held = try await TestClient.connect(port: ports[0])
        try await held.send("x")
        _ = try await held.receiveText(1)
        let edited =
            DeclaredTunnelTests.manifest(("web", ports[0], server.port), ("cache", ports[2], server.port))
            .replacing("\n  cache", with: "\n    limits: {rate: 100Mbps}\n  cache")
        let copy = try daemon.directory.write(edited, to: "edited.yaml")
        let plan = try await Self.nodepass("plan", "-f", copy, on: daemon)
        #expect(plan.code == 2)
        let change = "limits.rate 0 → 100Mbps".padding(toLength: 45, withPad: " ", startingAt: 0)
        #expect(
            Self.lines(plan) == [
                "+ cache     create    client://127.0.0.1:\(ports[2]) → 127.0.0.1:\(server.port)",
                "~ web       live      \(change)  1 connection kept",
                "- db        delete",
                "Plan: 1 to create, 1 live, 1 to delete.",
            ]
        )
        #expect(try await daemon.instances().compactMap(\.name).sorted() == ["db", "web"])
        let data = try await Self.nodepass("plan", "--json", "-f", copy, on: daemon)
        #expect(data.code == 2)
        let json = try JSONSerialization.jsonObject(with: Data(data.output.utf8)) as? [String: Any]
        #expect(json?["changes"] as? Bool == true)

        try daemon.edit(edited)
        let apply = try await Self.nodepass("apply", on: daemon)
        #expect(apply.code == 0)
        #expect(Self.lines(apply).dropLast() == ["cache  applied  ready", "web    applied  ready"])
        #expect(try await Self.nodepass("plan", on: daemon).code == 0)
        try await held.send("y")
        #expect(try await held.receiveText(1) == "y")
        try await held.close()
        try await daemon.stop()
    }

    @Test("a manifest that does not read is an error of plan and apply, with its place; a failing tunnel one of apply")
    func errors() async throws {
        let squatter = try await EchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", port, squatter.port)))
        try daemon.edit("version: 1\ntunnels: [")
        for command in ["plan", "apply"] {
            let finished = try await Self.nodepass(command, on: daemon)
            #expect(finished.code == 1)
            #expect(finished.errors.contains("tunnels.yaml:") && finished.errors.contains("[yaml-syntax]"))
        }
        try daemon.edit(
            DeclaredTunnelTests.manifest(("web", port, squatter.port), ("taken", squatter.port, port))
        )
        let apply = try await Self.nodepass("apply", "--timeout", "20s", on: daemon)
        #expect(apply.code == 1)
        #expect(apply.output.contains("taken  failed   backoff  PortInUse: tcp 127.0.0.1:\(squatter.port) is in use"))
        #expect(apply.output.contains("web    applied  ready"))
        #expect(try await Self.nodepass("apply", "--timeout", "soon", on: daemon).code == 64)
        try await daemon.stop()
    }

    @Test("apply --wait-ready waits for the other end, and exits 1 when it does not come in time")
    func waitReady() async throws {
        let target = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = try Example.reverse(
            tunnel: ports[0],
            users: ports[1],
            target: target.port,
            serverKey: "mRWxFV1rkfYDZZBqMrUfZ0cj4Uq",
            clientKey: "mRWxFV1rkfYDZZBqMrUfZ0cj4Uq"
        )
        let server = try await Daemon.start(manifest: texts.server)
        #expect(try await Self.nodepass("apply", "--timeout", "1s", on: server).code == 0)
        let alone = try await Self.nodepass("apply", "--wait-ready", "--timeout", "1s", on: server)
        #expect(alone.code == 1 && alone.output.contains("0 of 1 tunnels applied, 1 not: web"), "\(alone.output)")
        let client = try await Daemon.start(manifest: texts.client)
        let both = try await Self.nodepass("apply", "--wait-ready", on: server)
        #expect(both.code == 0 && both.output.contains("web  applied  ready"), "\(both.output)")
        try await client.stop()
        try await server.stop()
    }

    @Test("an override is shown everywhere, survives a restart with its end, and is released")
    func overrides() async throws {
        let server = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let daemon = try await Daemon.start(
            manifest: DeclaredTunnelTests.manifest(("web", ports[0], server.port), ("db", ports[1], server.port))
        )
        let stop = try await Self.nodepass("stop", "web", "--for", "30m", "--reason", "INC-42", on: daemon)
        #expect(stop.output.contains(/^web: stopping\. Overrides the manifest until [-0-9]+ [:0-9]+ UTC\.\n$/))
        let deletion = try await Self.nodepass("delete", "db", on: daemon).output
        #expect(
            deletion.contains(/^db: deleted\. Still declared at .*tunnels\.yaml:[0-9]+; `nodepass release db` brings/)
        )
        #expect(try await Self.nodepass("release", "db", on: daemon).code == 0)
        let timed = try await Self.nodepass("delete", "db", "--for", "2h", on: daemon).output
        #expect(timed.contains(/^db: deleted until [-0-9]+ [:0-9]+ UTC\. Still declared/), "\(timed)")
        #expect(try await Self.nodepass("release", "db", on: daemon).code == 0)
        #expect(try await Self.nodepass("delete", "db", on: daemon).code == 0)
        try await daemon.tunnel("web") { $0.phase == "stopped" }
        let get = try await Self.nodepass("get", on: daemon)
        #expect(get.output.contains(/web +[0-9a-f]{8} +client +stopped !/))
        #expect(get.output.contains(/db +[0-9a-f]{8} +- +deleted !/))
        for choice in [["db"], ["d*"], ["--overridden"]] {
            let row = try await RunningProcess.run(["get", "--state-dir", daemon.stateDirectory] + choice)
            #expect(row.code == 0 && row.output.contains(/db +[0-9a-f]{8} +- +deleted !/), "\(choice)")
        }
        let gone = try await Self.nodepass("describe", "db", on: daemon)
        #expect(gone.code == 0 && gone.output.contains("`nodepass release db` brings it back"), "\(gone.errors)")
        #expect(gone.output.contains(/Phase: +deleted since [-0-9]+ [:0-9]+ UTC, until released\n/))
        let refused = try await Self.nodepass("stop", "db", on: daemon)
        #expect(refused.code == 1 && refused.errors.contains("`nodepass release db` brings it back"))
        try await daemon.kill()

        let again = try await Daemon.start(in: daemon.directory)
        let plan = try await Self.nodepass("plan", on: again)
        #expect(plan.code == 0)
        #expect(plan.output.contains(/! web +overridden since [-0-9]+ [:0-9]+ UTC until [-0-9]+ [:0-9]+ UTC by [^ ]+/))
        #expect(plan.output.contains("(local CLI): INC-42 (stopped); the manifest says running"))
        #expect(
            plan.output.contains(
                /! db +overridden since [-0-9]+ [:0-9]+ UTC by [^ ]+ \(local CLI\) \(deleted\); the manifest says running/
            )
        )
        #expect(try await Self.nodepass("release", "nobody", on: again).code == 1)
        let release = try await Self.nodepass("release", "--all", on: again)
        #expect(Self.lines(release).sorted() == ["db: released", "web: released"])
        #expect(try await Self.nodepass("apply", on: again).code == 0)
        #expect(try await again.instances().map(\.phase) == ["ready", "ready"])
        try await again.stop()
    }

    @Test("an API tunnel is taken into git by its export, without a restart and without losing a connection")
    func adoption() async throws {
        let server = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", ports[0], server.port)))
        let url = "client://127.0.0.1:\(ports[1])/127.0.0.1:\(server.port)?mode=1"
        let created = try await Self.nodepass("create", url, "--alias", "mine", on: daemon)
        let id = created.output.trimmingCharacters(in: .newlines)
        #expect(try await Self.nodepass("apply", on: daemon).code == 0)
        let held = try await TestClient.connect(port: ports[1])
        try await held.send("a")
        _ = try await held.receiveText(1)

        let export = try await Self.nodepass("export", on: daemon)
        let copy = try daemon.directory.write(export.output, to: "export.yaml")
        let plan = try await Self.nodepass("plan", "-f", copy, on: daemon)
        #expect(plan.code == 0)
        #expect(plan.output.contains("= mine      adopt "))
        try daemon.edit(export.output)
        #expect(try await Self.nodepass("apply", on: daemon).code == 0)
        let adopted = try #require(try await daemon.instance(named: "mine"))
        #expect(adopted.id == id && adopted.tcprx == 1)
        try await held.send("b")
        #expect(try await held.receiveText(1) == "b")
        try await held.close()
        try await daemon.stop()
    }

    @Test("a tunnel that stops shows how many connections drain and for how long, until the last one is done")
    func draining() async throws {
        let server = try await EchoServer.start()
        let port = try FreePorts.one()
        let manifest = DeclaredTunnelTests.manifest(("web", port, server.port)).replacing(
            "drain: 2s",
            with: "drain: 1h"
        )
        let daemon = try await Daemon.start(manifest: manifest)
        let held = [try await TestClient.connect(port: port), try await TestClient.connect(port: port)]
        for client in held {
            try await client.send("x")
            _ = try await client.receiveText(1)
        }
        let none = try daemon.directory.write("version: 1\ntunnels: {}\n", to: "none.yaml")
        let plan = try await Self.nodepass("plan", "-f", none, on: daemon)
        #expect(plan.output.contains(/- web +delete +2 connections drain up to 1h0m0s/))
        #expect(try await Self.nodepass("stop", "web", on: daemon).code == 0)
        let draining = try await daemon.tunnel("web") { $0.phase == "draining" }
        #expect(draining.message?.contains(/^2 connections, 3[56][0-9][0-9] s left$/) == true)
        try await held[0].send("y")
        #expect(try await held[0].receiveText(1) == "y")
        for client in held { try await client.close() }
        try await daemon.tunnel("web") { $0.phase == "stopped" }
        try await daemon.stop()
    }

    @Test("describe shows each key with its line, what an override changed, and no value from a reference")
    func describe() async throws {
        let server = try await EchoServer.start()
        let port = try FreePorts.one()
        let manifest = """
            version: 1
            defaults: {drain: 2s}
            tunnels:
              web:
                role: client
                mode: single
                tunnel: 127.0.0.1:\(port)
                target: ${env:NP_TEST_TARGET}
                limits: {rate: 5Mbps}
            """
        let secret = "localhost:\(server.port)"
        let daemon = try await Daemon.start(manifest: manifest, environment: ["NP_TEST_TARGET": secret])
        #expect(try await Self.nodepass("stop", "web", on: daemon).code == 0)
        try await daemon.tunnel("web") { $0.phase == "stopped" }
        let described = try await Self.nodepass("describe", "web", on: daemon)
        for line in [
            /Spec: +role +client +.*tunnels\.yaml:5/, /\ +limits\.rate +5Mbps +.*tunnels\.yaml:9/,
            /\ +drain +2s +.*tunnels\.yaml:2/, /\ +target +•+ +.*tunnels\.yaml:8/, /\ +state +stopped/,
            /Override: +state stopped/, /Events: +[-0-9]+ [:0-9]+ UTC .*/,
            /\ +[-0-9]+ [:0-9]+ UTC  override  stop  by .* \(local CLI\)/,
        ] {
            #expect(Self.lines(described).contains { $0.wholeMatch(of: line) != nil }, "\(described.output)")
        }
        #expect(!described.output.contains(secret))
        let plan = try await Self.nodepass("plan", "--json", on: daemon)
        let layer = try await daemon.request("GET", "/api/v1/manifest").text
        #expect(!plan.output.contains(secret) && !layer.contains(secret))
        try await daemon.stop()
        #expect(!(try daemon.log).contains(secret))
    }

    @Test("a store that is locked refuses mutations with 503, traffic goes on, and afterwards all is well again")
    func lockedStore() async throws {
        let server = try await EchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", port, server.port)))
        let id = try #require(try await daemon.instance(named: "web")?.id)
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let queue = try DatabaseQueue(path: daemon.stateDirectory + "/state.db", configuration: configuration)
        try await queue.writeWithoutTransaction { try $0.execute(sql: "BEGIN EXCLUSIVE") }
        let refused = try await daemon.request("PATCH", "/api/v1/instances/\(id)", #"{"action":"stop"}"#)
        #expect(refused.status == 503)
        #expect(refused.text.contains("Nothing was changed") && refused.text.contains("state.db"))
        let client = try await TestClient.connect(port: port)
        try await client.send("alive")
        #expect(try await client.receiveText(5) == "alive")
        try await client.close()
        try await queue.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        #expect(try await daemon.request("PATCH", "/api/v1/instances/\(id)", #"{"action":"stop"}"#).status == 200)
        try await daemon.tunnel("web") { $0.phase == "stopped" }
        try await daemon.stop()
    }

    @Test("a server that failed for its certificate runs by itself once the files are there")
    func certificateMended() async throws {
        let ports = try FreePorts.take(2)
        let directory = try TemporaryDirectory()
        let manifest = """
            version: 1
            tunnels:
              web:
                role: server
                mode: reverse
                tunnel: 127.0.0.1:\(ports[0])
                target: 127.0.0.1:\(ports[1])
                key: some-key
                tls: {certificate: \(directory.path)/server.crt, key: \(directory.path)/server.key}
            """
        let daemon = try await Daemon.start(manifest: manifest, environment: ["NP_RELOAD_INTERVAL": "50ms"])
        let failed = try await daemon.tunnel("web") { $0.phase == "failed" }
        #expect(failed.reason == "CertificateInvalid")
        try TestAuthority().issue(to: ["localhost"]).write(to: directory)
        try await daemon.tunnel("web") { $0.phase == "connecting" && $0.certificate != nil }
        try await daemon.stop()
    }
}
