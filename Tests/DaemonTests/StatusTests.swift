import Foundation
import NIOCore
import TestSupport
import Testing

@Suite("nodepass status", .timeLimit(.minutes(2)))
struct StatusTests {
    static func nodepass(_ arguments: String..., on daemon: Daemon) async throws -> RunningProcess.Finished {
        try await RunningProcess.run(arguments + ["--state-dir", daemon.stateDirectory])
    }

    @Test("a target that is down is found by status, get, describe and metrics, without knowing its tunnel")
    func targetDown() async throws {
        let echo = try await EchoServer.start()
        let ports = try FreePorts.take(3)
        let daemon = try await Daemon.start(
            manifest: DeclaredTunnelTests.manifest(("good", ports[0], echo.port), ("web", ports[1], ports[2]))
        )
        let before = try await Self.nodepass("status", on: daemon)
        #expect(before.code == 0 && before.output.hasPrefix("No problems."), "\(before.output)\(before.errors)")
        for _ in 0..<3 {
            let user = try await TestClient.connect(port: ports[1])
            _ = try await user.receiveAll()
        }
        let status = try await Self.nodepass("status", on: daemon)
        #expect(status.code == 1)
        #expect(status.output.contains(/! web: target down, since [-0-9]+ [:0-9]+ UTC\n/), "\(status.output)")
        #expect(status.output.contains("127.0.0.1:\(ports[2]) cannot be reached: Connection refused"))
        #expect(status.output.contains("Tunnels:       2 (2 ready, 0 stopped, 0 overridden)"))
        let get = try await Self.nodepass("get", on: daemon)
        #expect(get.output.contains(/web .* ready, target down +[0-9]/) && !get.output.contains(/good .* down/))
        let describe = try await Self.nodepass("describe", "web", on: daemon)
        #expect(describe.output.contains(/Problem: +the target 127/))
        let metrics = try await daemon.request("GET", "/metrics").text
        for line in [
            #"nodepass_tunnel_target_up{tunnel="web"} 0"#, #"nodepass_problems{kind="target-down"} 1"#,
            #"nodepass_tunnel_target_errors_total{tunnel="web",reason="refused"} 3"#,
            #"nodepass_tunnel_phase{tunnel="web",phase="backoff"} 0"#, #"nodepass_tunnel_invalid{tunnel="web"} 0"#,
        ] {
            #expect(metrics.contains(line + "\n"), "\(line)")
        }
        try await daemon.stop()
    }

    @Test("an invalid declaration is in status, at the foot of get, and in describe, with its line")
    func invalidDeclaration() async throws {
        let echo = try await EchoServer.start()
        let port = try FreePorts.one()
        let manifest = DeclaredTunnelTests.manifest(("web", port, echo.port))
        let daemon = try await Daemon.start(manifest: manifest)
        try daemon.edit(manifest.replacingOccurrences(of: "mode: single", with: "mode: sngle"))
        #expect(try await Self.nodepass("apply", on: daemon).code == 1)
        let get = try await Self.nodepass("get", on: daemon)
        #expect(get.output.contains(/web .* ready, declaration invalid +[0-9]/))
        let footer = /web: the declaration on disk is invalid, .*tunnels.yaml:[0-9]+:[0-9]+:/
        #expect(get.errors.contains(footer), "\(get.errors)")
        let describe = try await Self.nodepass("describe", "web", on: daemon)
        #expect(describe.output.contains(/Problem: +the declaration on disk is invalid, .*tunnels.yaml:[0-9]+:[0-9]+:/))
        let plan = try await Self.nodepass("plan", on: daemon)
        #expect(plan.code == 1)
        #expect(
            plan.output == "Plan: 1 declaration invalid (web), otherwise nothing to do, 1 unchanged.\n",
            "\(plan.output)"
        )
        let status = try await Self.nodepass("status", "--json", on: daemon)
        #expect(status.code == 1 && status.output.contains(#""kind": "invalid-declaration""#))
        try await daemon.stop()
    }

    @Test("a port that another tunnel has names that tunnel as people know it, also after it was renamed")
    func takenPort() async throws {
        let echo = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let daemon = try await Daemon.start(manifest: DeclaredTunnelTests.manifest(("web", ports[0], echo.port)))
        func create(_ alias: String, at port: Int) async throws -> String {
            let url = "client://127.0.0.1:\(port)/127.0.0.1:\(echo.port)?mode=1"
            return try await Self.nodepass("create", url, "--alias", alias, on: daemon).output.filter { $0 != "\n" }
        }
        func message(_ id: String) async throws -> String {
            try await Self.nodepass("get", id, "-o", "jsonpath={.message}", on: daemon).output
        }
        let declared = try await create("late", at: ports[0])
        #expect(try await Self.nodepass("apply", on: daemon).code == 1)
        #expect(try await message(declared).contains("is in use by the tunnel web; "))
        let front = try await create("front", at: ports[1])
        #expect(try await Self.nodepass("apply", on: daemon).output.contains("front  applied"))
        #expect(try await daemon.request("PATCH", "/api/v1/instances/\(front)", #"{"alias":"gate"}"#).status == 200)
        let second = try await create("second", at: ports[1])
        #expect(try await Self.nodepass("apply", on: daemon).code == 1)
        #expect(try await message(second).contains("is in use by the tunnel gate (\(front)); "))
        try await daemon.stop()
    }

    @Test("connections lists who is there, with the bytes that the kernel has counted, at every kind of end")
    func connections() async throws {
        let echo = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let texts = try Example.reverse(tunnel: ports[0], users: ports[1], target: echo.port)
        let example = try await Example("web", texts)
        try await example.ready()
        let user = try await TestClient.connect(port: ports[1])
        try await user.send("12345")
        #expect(try await user.receiveText(5) == "12345")
        let port = try #require(user.channel.localAddress?.port)
        let entry = try await Self.nodepass("connections", "web", on: example.server)
        #expect(entry.output.contains("127.0.0.1:\(port)  tcp"), "\(entry.output)\(entry.errors)")
        #expect(entry.output.contains(/UTC  5B  [56]B/), "\(entry.output)")
        let exit = try await Self.nodepass("connections", "web", "--json", on: example.client)
        #expect(exit.output.contains(#""user": "127.0.0.1:\#(port)""#) && exit.output.contains(#""total": 1"#))
        try await user.close()
        try await example.stop()
    }

    @Test("the peer is shown at both ends, and a target that only the other end dials is down at both")
    func peers() async throws {
        let ports = try FreePorts.take(3)
        let texts = try Example.reverse(tunnel: ports[0], users: ports[1], target: ports[2])
        let example = try await Example("web", texts)
        try await example.ready()
        // More than it takes: a refusal may come after its link has ended.
        for _ in 0..<5 {
            let user = try await TestClient.connect(port: ports[1])
            _ = try await user.receiveAll()
        }
        for end in [example.server, example.client] {
            let describe = try await Self.nodepass("describe", "web", on: end)
            let peer = /Peer: +127\.0\.0\.1 \(nodepass, sealed, over tcp\), since/
            #expect(describe.output.contains(peer), "\(describe.output)")
            let status = try await Self.nodepass("status", on: end)
            #expect(status.code == 1 && status.output.contains("! web: target down"), "\(status.output)")
            let metrics = try await end.request("GET", "/metrics").text
            #expect(metrics.contains(#"nodepass_tunnel_peer_connected{tunnel="web"} 1"#))
        }
        try await example.stop()
    }
}
