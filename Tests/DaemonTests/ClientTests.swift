import Foundation
import TestSupport
import Testing

@Suite("Clients of the API", .timeLimit(.minutes(2)))
struct ClientTests {
    @Test("the calls of NodePass's API reference work as its JavaScript makes them")
    func foundingDocument() async throws {
        try await run("founding-client.mjs")
    }

    @Test("NodePassDash: add, follow, create, label, control, replace, probe, break off, delete, rotate")
    func nodePassDash() async throws {
        try await run("nodepassdash.mjs")
    }

    @Test("NodePanel: preflights, a fetch stream without one foreign event, and messages for what goes wrong")
    func nodePanel() async throws {
        try await run("nodepanel.mjs")
    }

    @Test("np.sh: curl, grep and sed find the version, the key, ids, URLs and the new key where they always were")
    func installScript() async throws {
        let directory = try TemporaryDirectory()
        let ports = try FreePorts.take(2)
        let environment = [
            "NODEPASS": RunningProcess.binary, "PORT": "\(ports[0])", "TUNNEL_PORT": "\(ports[1])",
            "WORK": directory.path,
        ]
        try await run("sh", "np.sh", environment)
    }

    /// Runs a script against a daemon that has no tunnel yet and reports its figures often.
    private func run(_ script: String) async throws {
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(
            manifest: "version: 1\ntunnels: {}\n",
            listen: "127.0.0.1:\(port)",
            environment: ["NP_REPORT_INTERVAL": "100ms"]
        )
        let key = try #require(try await daemon.apiKey())
        let ports = try FreePorts.take(8).map(String.init)
        let environment = [
            "API_URL": "http://127.0.0.1:\(port)/api", "API_KEY": key, "PORT": ports[0],
            "PORTS": ports.joined(separator: " "),
        ]
        try await run("node", script, environment)
        try await daemon.stop()
    }

    private func run(_ program: String, _ script: String, _ environment: [String: String]) async throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Clients")
        let client = try await RunningProcess.run(
            [program, folder.appendingPathComponent(script).path],
            environment: environment,
            executable: "/usr/bin/env"
        )
        #expect(client.code == 0, "\(client.output)\(client.errors)")
        #expect(client.output == "ok\n")
    }

    @Test("a created, stopped, replaced and deleted instance sends create, update and delete, in this order")
    func lifeByREST() async throws {
        let server = try await EchoServer.start()
        let ports = try FreePorts.take(2)
        let daemon = try await Daemon.start(manifest: "version: 1\ntunnels: {}\n")
        var events = try await daemon.events().makeAsyncIterator()
        func url(_ port: Int) -> String { "client://127.0.0.1:\(port)/127.0.0.1:\(server.port)?mode=1" }
        let answer = try await daemon.request("POST", "/api/v1/instances", #"{"url":"\#(url(ports[0]))"}"#)
        #expect(answer.status == 201)
        let id = try answer.decode(InstanceView.self).id
        #expect(try answer.decode(InstanceView.self).status == "stopped")
        #expect(try await events.first { $0.type != "initial" && $0.instance?.id == id }?.type == "create")
        _ = try await events.first { $0.type == "update" && $0.instance?.phase == "ready" }
        #expect(
            try await daemon.request("PUT", "/api/v1/instances/\(id)", #"{"url":"\#(url(ports[1]))"}"#).status == 200
        )
        let moved = try await events.first { $0.type == "update" && $0.instance?.url == url(ports[1]) }
        #expect(moved?.instance?.status == "running")
        let client = try await TestClient.connect(port: ports[1])
        try await client.send("moved")
        #expect(try await client.receiveText(5) == "moved")
        try await client.close()
        #expect(try await daemon.request("DELETE", "/api/v1/instances/\(id)").status == 204)
        #expect(try await events.first { $0.type == "delete" }?.instance?.id == id)
        #expect(try await daemon.request("GET", "/api/v1/instances/\(id)").status == 404)
        try await daemon.stop()
    }

    @Test(
        "bad requests get their answer and change nothing",
        arguments: [
            ("POST", "/api/v1/instances", "{", UInt(400)),
            ("POST", "/api/v1/instances", #"{"url":"ftp://127.0.0.1:1/127.0.0.1:2"}"#, 400),
            ("POST", "/api/v1/instances", #"{"url":"client://nonsense"}"#, 400),
            ("PATCH", "/api/v1/instances/00000000", #"{"action":"stop"}"#, 404),
            ("GET", "/api/v1/instances/00000000", "", 404),
            ("DELETE", "/api/v1/instances/********", "", 403),
            ("POST", "/api/v1/instances", String(repeating: "x", count: 1_048_577), 413),
        ]
    )
    func badRequests(method: String, path: String, body: String, status: UInt) async throws {
        let daemon = try await Daemon.start(manifest: "version: 1\ntunnels: {}\n")
        let answer = try await daemon.request(method, path, body.isEmpty ? nil : body)
        #expect(answer.status == status)
        #expect(answer.text.hasPrefix(#"{"error":""#))
        #expect(try await daemon.instances().isEmpty)
        try await daemon.stop()
    }
}
