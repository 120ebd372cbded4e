import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import TestSupport
import Testing

@Suite("What happens to a daemon's tunnels on a bad day", .timeLimit(.minutes(2)))
struct BadDayTests {
    private struct Reconcile: Decodable {
        struct Leaving: Decodable {
            let name: String
            let connections: Int
        }

        let leaving: [Leaving]
        let api: String?
    }

    private func reconcile(_ daemon: Daemon) async throws -> Reconcile {
        try await daemon.request("GET", "/api/v1/reconcile").decode(Reconcile.self)
    }

    @Test("a manifest emptied by mistake and put back loses no connection, id or counter")
    func undo() async throws {
        let server = try await EchoServer.start()
        let port = try FreePorts.one()
        let manifest = DeclaredTunnelTests.manifest(("web", port, server.port)).replacing(
            "drain: 2s",
            with: "drain: 5s"
        )
        let daemon = try await Daemon.start(manifest: manifest)
        let held = try await TestClient.connect(port: port)
        try await held.send("a")
        #expect(try await held.receiveText(1) == "a")
        let before = try #require(try await daemon.instance(named: "web"))
        var events = try await daemon.events().makeAsyncIterator()

        try daemon.edit("version: 1\ntunnels: {}\n")
        _ = try await events.first { $0.type == "delete" && $0.instance?.id == before.id }
        #expect(try await daemon.instance(named: "web") == nil)
        let leaving = try await reconcile(daemon).leaving
        #expect(leaving.map(\.name) == ["web"] && leaving.map(\.connections) == [1])
        let list = try await OperatorTests.nodepass("get", on: daemon)
        #expect(list.output.contains("deleted, draining"))
        let metrics = try await daemon.request("GET", "/metrics").text
        #expect(metrics.contains("nodepass_tunnel_draining_connections{tunnel=\"web\"} 1"))

        try daemon.edit(manifest)
        _ = try await events.first {
            $0.type == "update" && $0.instance?.id == before.id && $0.instance?.phase == "ready"
        }
        try await held.send("b")
        #expect(try await held.receiveText(1) == "b")
        #expect(try await reconcile(daemon).leaving.isEmpty)
        let after = try #require(try await daemon.instance(named: "web"))
        #expect(after.tcprx == 2 && after.tcptx == 2)
        #expect(try await daemon.request("GET", "/metrics").text.contains("draining_connections{tunnel=\"web\"} 0"))
        try await held.close()
        try await daemon.stop()
    }

    @Test("an API address that is taken keeps no tunnel from running, is shown, and is had once it is free")
    func apiAddressTaken() async throws {
        let server = try await EchoServer.start()
        let squatter = try await EchoServer.start()
        let (port, apiPort) = (try FreePorts.one(), squatter.port)
        let daemon = try await Daemon.start(
            manifest: DeclaredTunnelTests.manifest(("web", port, server.port)),
            listen: "127.0.0.1:\(apiPort)"
        )
        let user = try await TestClient.connect(port: port)
        try await user.send("a")
        #expect(try await user.receiveText(1) == "a")
        #expect(try await reconcile(daemon).api?.contains("Address already in use") == true)
        #expect(try await daemon.request("GET", "/metrics").text.contains("nodepass_api_listening 0"))
        let list = try await OperatorTests.nodepass("get", on: daemon)
        #expect(list.code == 0 && list.errors.contains("the API does not listen on TCP"))
        try await squatter.stop()
        let start = ContinuousClock.now
        while try await reconcile(daemon).api != nil, ContinuousClock.now - start < .seconds(20) {}
        #expect(try await reconcile(daemon).api == nil)
        let health = try await HTTPClient.shared.execute(
            HTTPClientRequest(url: "http://127.0.0.1:\(apiPort)/healthz"),
            timeout: .seconds(10)
        )
        #expect(health.status == .ok)
        try await user.close()
        #expect(try await daemon.stop() == 0)
    }

    @Test("with --strict a daemon whose API cannot listen exits")
    func strict() async throws {
        let squatter = try await EchoServer.start()
        let directory = try TemporaryDirectory()
        let manifest = try directory.write("version: 1\ntunnels: {}\n", to: "tunnels.yaml")
        let finished = try await RunningProcess.run([
            "run", "-f", manifest, "--state-dir", directory.path + "/state", "--strict", "--listen",
            "127.0.0.1:\(squatter.port)",
        ])
        #expect(finished.code == 1)
        #expect((finished.output + finished.errors).contains("cannot listen on 127.0.0.1:\(squatter.port)"))
    }

    @Test("a stop takes no longer than --shutdown-timeout says, whatever drains")
    func shutdownTimeout() async throws {
        let server = try await EchoServer.start()
        let port = try FreePorts.one()
        let manifest = DeclaredTunnelTests.manifest(("web", port, server.port)).replacing(
            "drain: 2s",
            with: "drain: 90s"
        )
        let daemon = try await Daemon.start(manifest: manifest, arguments: ["--shutdown-timeout", "1s"])
        let held = try await TestClient.connect(port: port)
        try await held.send("a")
        #expect(try await held.receiveText(1) == "a")
        let start = ContinuousClock.now
        #expect(try await daemon.stop() == 0)
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(try await held.receiveAll().readableBytes == 0)
        let log = try daemon.log
        #expect(log.contains("Stopping") && log.contains("within=1s"))
    }
}
