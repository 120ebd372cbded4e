import API
import Config
import HTTPTypes
import Reconciler
import Testing

@Suite("REST over declared tunnels", .timeLimit(.minutes(1)))
struct DeclaredInstanceTests {
    static let tunnel = "web: {role: client, mode: single, tunnel: 127.0.0.1:4100, target: 127.0.0.1:9}"

    @Test("a mutation becomes an override that says since when, until when and by whom; release ends it")
    func override() async throws {
        try await TestDaemon.run(manifest: "version: 1\ntunnels:\n  \(Self.tunnel)\n") { daemon in
            let id = try #require(await daemon.reconciler.instances().first?.id)
            let path = "/api/v1/instances/\(id)"
            let row = try await daemon.send(.get, path).json
            #expect(row["name"] == "web" && row["origin"] == "manifest" && row["source"] == "tunnels.yaml:3")
            #expect(row["override"] == JSONValue.null)
            let stopped = try await daemon.send(.patch, path + "?ttl=30m", #"{"action":"stop"}"#).json
            #expect(stopped["override"]?.names == ["state", "since", "until", "by"])
            #expect(stopped["override"]?["state"] == "stopped")
            #expect(stopped["override"]?["until"]?.stringValue?.hasSuffix("Z") == true)
            let released = try await daemon.send(.delete, path + "/override")
            #expect(released.status == 200)
            #expect(try released.json["override"] == JSONValue.null)
        }
    }

    @Test("what an author writes about why is kept: in the body, or in the query of a request without one")
    func notes() async throws {
        try await TestDaemon.run(manifest: "version: 1\ntunnels:\n  \(Self.tunnel)\n") { daemon in
            let id = try #require(await daemon.reconciler.instances().first?.id)
            let path = "/api/v1/instances/\(id)"
            let stopped = try await daemon.send(.patch, path, #"{"action":"stop","note":"INC-42"}"#).json
            #expect(stopped["override"]?["note"] == "INC-42")
            _ = try await daemon.send(.delete, path + "/override?note=fixed%20it")
            _ = try await daemon.send(.patch, path, #"{"action":"restart","note":"again"}"#)
            let events = try await daemon.send(.get, path).json["events"]?.items ?? []
            let notes = events.compactMap { event in event["note"]?.stringValue.map { (event["type"], $0) } }
            #expect(notes.map(\.1) == ["INC-42", "fixed it", "again"])
            #expect(notes.map(\.0) == ["override", "release", "request"])
            #expect(events.last { $0["type"] == "request" }?["change"] == "restart")
        }
    }

    @Test("a note over the limit of labels is refused, and nothing is done")
    func longNote() async throws {
        try await TestDaemon.run(manifest: "version: 1\ntunnels:\n  \(Self.tunnel)\n") { daemon in
            let id = try #require(await daemon.reconciler.instances().first?.id)
            let note = String(repeating: "x", count: 257)
            let path = "/api/v1/instances/\(id)"
            #expect(try await daemon.send(.patch, path, #"{"action":"stop","note":"\#(note)"}"#).status == 400)
            #expect(try await daemon.send(.delete, path + "?note=\(note)").status == 400)
            #expect(await daemon.reconciler.instance(id)?.override == nil)
        }
    }

    @Test("a peer is forgotten by POST, for a tunnel and for nothing else")
    func forgottenPeer() async throws {
        let pair = "pair: {role: client, mode: dual, tunnel: 'localhost:9', target: 'localhost:9', key: k}"
        try await TestDaemon.run(manifest: "version: 1\ntunnels:\n  \(Self.tunnel)\n  \(pair)\n") { daemon in
            let instances = await daemon.reconciler.instances()
            let id = try #require(instances.first { $0.name == "pair" }?.id)
            let single = try #require(instances.first { $0.name != "pair" }?.id)
            for (path, status) in [(id, 200), (single, 409), ("********", 403), ("00000009", 404)] {
                let answer = try await daemon.send(.post, "/api/v1/instances/\(path)/forget-peer")
                #expect(answer.status == status, "\(path)")
            }
            #expect(try await daemon.send(.get, "/api/v1/instances/\(id)/forget-peer").status == 405)
        }
    }

    @Test("a ttl that is no duration is refused", arguments: ["soon", "0s", "-1m", ""])
    func badTTL(_ ttl: String) async throws {
        try await TestDaemon.run(manifest: "version: 1\ntunnels:\n  \(Self.tunnel)\n") { daemon in
            let id = try #require(await daemon.reconciler.instances().first?.id)
            let answer = try await daemon.send(.patch, "/api/v1/instances/\(id)?ttl=\(ttl)", #"{"action":"stop"}"#)
            #expect(answer.status == 400)
            #expect(await daemon.reconciler.instance(id)?.override == nil)
        }
    }

    @Test("where the manifest denies overrides, 403 names the line that owns the tunnel")
    func denied() async throws {
        let manifest = "version: 1\npolicy: {overrides: deny}\ntunnels:\n  \(Self.tunnel)\n"
        try await TestDaemon.run(manifest: manifest) { daemon in
            let id = try #require(await daemon.reconciler.instances().first?.id)
            let answer = try await daemon.send(.patch, "/api/v1/instances/\(id)", #"{"action":"stop"}"#)
            #expect(answer.status == 403)
            #expect(try answer.json["source"] == "tunnels.yaml:4")
            #expect(try answer.json["message"]?.stringValue?.contains("tunnels.yaml:4") == true)
        }
    }

    @Test("GET /reconcile shows a rejected manifest with its diagnostics while the last good one runs")
    func rejection() async throws {
        try await TestDaemon.run(manifest: "version: 1\ntunnels:\n  \(Self.tunnel)\n") { daemon in
            let reader = ManifestReader(environment: [:], workingDirectory: "/")
            await daemon.reconciler.declare(reader.read(text: "tunnels: [", file: "tunnels.yaml"))
            let status = try await daemon.send(.get, "/api/v1/reconcile").json
            #expect(status["rejection"]?["diagnostics"]?.items.isEmpty == false)
            #expect(status["tunnels"]?.items.map { $0["name"] } == ["web"])
        }
    }
}
