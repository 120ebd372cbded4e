import Foundation
import TestSupport
import Testing

@Suite("Clients of the API", .timeLimit(.minutes(2)))
struct ClientTests {
    @Test("the calls of NodePass's API reference work as its JavaScript makes them")
    func foundingDocument() async throws {
        let port = try FreePorts.one()
        let daemon = try await Daemon.start(manifest: "version: 1\ntunnels: {}\n", listen: "127.0.0.1:\(port)")
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("founding-client.mjs")
        let key = try #require(try await daemon.apiKey())
        let client = try await RunningProcess.run(
            ["node", script.path],
            environment: ["API_URL": "http://127.0.0.1:\(port)/api", "API_KEY": key],
            executable: "/usr/bin/env"
        )
        #expect(client.code == 0, "\(client.output)\(client.errors)")
        #expect(client.output == "ok\n")
        try await daemon.stop()
    }

    @Test("a created, stopped, replaced and deleted instance is told as create, update and delete, in this order")
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
