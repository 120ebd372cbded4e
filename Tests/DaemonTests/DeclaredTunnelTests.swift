import Foundation
import NIOCore
import TestSupport
import Testing

@Suite("The built daemon runs what the manifest declares", .timeLimit(.minutes(2)))
struct DeclaredTunnelTests {
    /// A manifest of single-end tunnels: name, listening port, target port.
    static func manifest(_ tunnels: (name: String, port: Int, target: Int)..., extra: String = "") -> String {
        let entries = tunnels.map { tunnel in
            """
              \(tunnel.name):
                role: client
                mode: single
                tunnel: 127.0.0.1:\(tunnel.port)
                target: 127.0.0.1:\(tunnel.target)
            """
        }
        let body = entries.isEmpty ? "tunnels: {}" : "tunnels:\n" + entries.joined(separator: "\n")
        return "version: 1\ndefaults: {drain: 2s}\n\(extra)\(body)\n"
    }

    @Test("create, retarget and remove by editing the file; an unrelated connection is never disturbed")
    func edits() async throws {
        let first = try await EchoServer.start(.speakFirst("one"))
        let second = try await EchoServer.start(.speakFirst("two"))
        let ports = try FreePorts.take(2)
        let daemon = try await Daemon.start(manifest: Self.manifest(("stays", ports[0], first.port)))
        let held = try await TestClient.connect(port: ports[0])
        #expect(try await held.receiveText(3) == "one")
        var events = try await daemon.events().makeAsyncIterator()

        try daemon.edit(Self.manifest(("stays", ports[0], first.port), ("web", ports[1], first.port)))
        let created = try await events.first { $0.type == "create" }
        #expect(created?.instance?.name == "web")
        let id = created?.instance?.id
        let ready = try await events.first {
            $0.type == "update" && $0.instance?.id == id && $0.instance?.phase == "ready"
        }
        #expect(ready?.instance?.status == "running")
        #expect(try await TestClient.connect(port: ports[1]).receiveText(3) == "one")

        try daemon.edit(Self.manifest(("stays", ports[0], first.port), ("web", ports[1], second.port)))
        let retargeted = try await events.first {
            $0.type == "update" && $0.instance?.url.contains(":\(second.port)") == true
        }
        #expect(retargeted?.instance?.id == id)
        #expect(try await TestClient.connect(port: ports[1]).receiveText(3) == "two")

        try daemon.edit(Self.manifest(("stays", ports[0], first.port)))
        let deleted = try await events.first { $0.type == "delete" }
        #expect(deleted?.instance?.id == id)
        await #expect(throws: (any Error).self) { try await TestClient.connect(port: ports[1]) }

        try await held.send("unbroken")
        #expect(try await held.receiveText(8) == "unbroken")
        try await held.close()
        #expect(try await daemon.stop() == 0)
    }

    @Test("a stop by REST is an override that survives a restart, and git wins on edit")
    func overrideSurvives() async throws {
        let server = try await EchoServer.start()
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: Self.manifest(("web", port, server.port)))
        let id = try #require(try await daemon.instance(named: "web")?.id)
        var events = try await daemon.events().makeAsyncIterator()
        #expect(try await daemon.request("PATCH", "/api/v1/instances/\(id)", #"{"action":"stop"}"#).status == 200)
        _ = try await events.first { $0.instance?.id == id && $0.instance?.phase == "stopped" }
        try await daemon.stop()

        let again = try await Daemon.start(in: daemon.directory)
        let stopped = try await again.instance(named: "web")
        #expect(stopped?.id == id)
        #expect(stopped?.status == "stopped")
        await #expect(throws: (any Error).self) { try await TestClient.connect(port: port) }

        var edits = try await again.events().makeAsyncIterator()
        try again.edit(
            Self.manifest(("web", port, server.port), extra: "policy: {prune: true}\n").replacing(
                "    role: client",
                with: "    alias: edited\n    role: client"
            )
        )
        _ = try await edits.first { $0.instance?.id == id && $0.instance?.phase == "ready" }
        #expect(try await again.instance(named: "web")?.status == "running")
        try await again.stop()
    }

    @Test("kill -9 loses no id, no key and no acknowledged mutation")
    func killed() async throws {
        let server = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let daemon = try await Daemon.start(manifest: Self.manifest(("web", ports[0], server.port)))
        let url = "client://127.0.0.1:\(ports[1])/127.0.0.1:\(server.port)?mode=1"
        let created = try await daemon.request("POST", "/api/v1/instances", #"{"url":"\#(url)","alias":"mine"}"#)
        #expect(created.status == 201)
        let before = try await daemon.instances().map(\.id)
        let key = try await daemon.apiKey()
        try await daemon.kill()

        let again = try await Daemon.start(in: daemon.directory)
        #expect(try await again.instances().map(\.id) == before)
        #expect(try await again.apiKey() == key)
        #expect(try await again.instances().contains { $0.alias == "mine" && $0.url == url })
        let client = try await TestClient.connect(port: ports[1])
        try await client.send("alive")
        #expect(try await client.receiveText(5) == "alive")
        try await client.close()
        try await again.stop()
    }

    @Test(
        "a broken, empty or deleted manifest changes nothing, also over a restart",
        arguments: ["version: 1\ntunnels: [", "", "version: 2\ntunnels: {}\n", nil]
    )
    func broken(_ text: String?) async throws {
        let server = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let daemon = try await Daemon.start(manifest: Self.manifest(("web", ports[0], server.port)))
        if let text {
            try daemon.edit(text)
        } else {
            try FileManager.default.removeItem(atPath: daemon.manifestPath)
        }
        // A later good edit is seen after the bad one: what the bad one did would show by then.
        daemon.signal(SIGHUP)
        while try await daemon.request("GET", "/api/v1/reconcile").text.contains(#""rejection":null"#) {
            await Task.yield()
        }
        #expect(try await daemon.instance(named: "web")?.phase == "ready")
        try await daemon.kill()
        let again = try await Daemon.start(in: daemon.directory)
        #expect(try await again.instance(named: "web")?.phase == "ready")
        var events = try await again.events().makeAsyncIterator()
        try again.edit(Self.manifest(("web", ports[0], server.port), ("new", ports[1], server.port)))
        _ = try await events.first { $0.instance?.name == "new" && $0.instance?.phase == "ready" }
        try await again.stop()
    }

    @Test("one invalid tunnel keeps its last good form while the others follow the file")
    func oneInvalid() async throws {
        let server = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let daemon = try await Daemon.start(manifest: Self.manifest(("web", ports[0], server.port)))
        var events = try await daemon.events().makeAsyncIterator()
        let mixed =
            Self.manifest(("new", ports[1], server.port))
            + "  web:\n    role: client\n    mode: sideways\n    tunnel: 127.0.0.1:1\n    target: 127.0.0.1:2\n"
        try daemon.edit(mixed)
        _ = try await events.first { $0.instance?.name == "new" && $0.instance?.phase == "ready" }
        let web = try await daemon.instance(named: "web")
        #expect(web?.phase == "ready")
        #expect(web?.port == ports[0])
        // The log alone says what to correct.
        #expect(try daemon.log.contains(": error: tunnels.web.mode: "))
        try await daemon.stop()
    }

    @Test("a port in use means backoff with PortInUse, and recovery without help")
    func portInUse() async throws {
        let server = try await EchoServer.start()
        let squatter = try await EchoServer.start()
        let daemon = try await Daemon.start(manifest: Self.manifest(("web", squatter.port, server.port)))
        let blocked = try await daemon.instance(named: "web")
        #expect(blocked?.phase == "backoff")
        #expect(blocked?.reason == "PortInUse")
        #expect(blocked?.status == "error")
        var events = try await daemon.events().makeAsyncIterator()
        let port = squatter.port
        try await squatter.stop()
        _ = try await events.first { $0.instance?.name == "web" && $0.instance?.phase == "ready" }
        let client = try await TestClient.connect(port: port)
        try await client.send("up")
        #expect(try await client.receiveText(2) == "up")
        try await client.close()
        try await daemon.stop()
    }
}
