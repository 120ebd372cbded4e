import API
import Config
import FoundationEssentials
import HTTPTypes
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("Plan, reconcile, manifest and export over REST", .timeLimit(.minutes(1)))
struct ReconcileRoutesTests {
    static let web =
        "  web: {role: client, mode: single, tunnel: 127.0.0.1:4100, target: 127.0.0.1:9, key: s3cret-key}\n"
    static let manifest = "version: 1\ntunnels:\n" + web

    @Test("POST /plan answers what a manifest would do, and changes nothing")
    func plan() async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let same = try await daemon.send(.post, "/api/v1/plan", Self.manifest)
            #expect(same.status == 200)
            #expect(try same.json["changes"] == false)
            #expect(try same.json["summary"]?["unchanged"] == 1)
            let edited = Self.manifest.replacing("4100", with: "4101").replacing("s3cret-key", with: "other-s3cret")
            let answer = try await daemon.send(.post, "/api/v1/plan", edited)
            let json = try answer.json
            #expect(json["changes"] == true)
            #expect(json["steps"]?.items.map { $0["action"] } == ["rebind"])
            #expect(json["steps"]?.items.first?["changes"]?.items.map { $0["path"] } == ["tunnel", "key"])
            #expect(!answer.text.contains("s3cret"))
            #expect(await daemon.reconciler.instances().first?.spec.tunnel.port == 4100)
        }
    }

    @Test("over TCP a plan resolves no reference: the same text is unchanged, any other value there is a change")
    func planWithReferences() async throws {
        let text = Self.manifest.replacing("key: s3cret-key", with: "key: '${env:KEY:-s3cret-key}'")
        try await TestDaemon.run(manifest: text) { daemon in
            let same = try await daemon.send(.post, "/api/v1/plan", text)
            #expect(try same.json["changes"] == false)
            var answers: Set<String> = []
            for key in ["s3cret-key", "another-one", "'${env:KEY:-other}'", "'${file:/etc/hostname}'"] {
                let other = text.replacing("'${env:KEY:-s3cret-key}'", with: key)
                let answer = try await daemon.send(.post, "/api/v1/plan", other)
                #expect(answer.status == 200)
                #expect(!answer.text.contains("s3cret"))
                let json = try answer.json
                answers.insert("\(json["changes"] ?? .null) \(json["steps"] ?? .null)")
            }
            // Right or wrong, there or not: nothing can be told from the answer.
            #expect(answers.count == 1)
            let missing = text.replacing("target: 127.0.0.1:9", with: "target: '${file:/nowhere/x}'")
            #expect(try await daemon.send(.post, "/api/v1/plan", missing).status == 200)
        }
    }

    @Test(
        "a plan of what does not read is 422 with diagnostics, and so is one that would read other files",
        arguments: [("tunnels: [", "yaml-syntax"), ("version: 1\ninclude: [/etc/*]\ntunnels: {}", "include-refused")]
    )
    func rejectedPlan(text: String, code: String) async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let answer = try await daemon.send(.post, "/api/v1/plan", text)
            #expect(answer.status == 422)
            #expect(try answer.json["code"] == "manifest-rejected")
            #expect(try answer.json["details"]?.items.first?["code"]?.stringValue == code)
        }
    }

    @Test("without a manifest of its own a daemon plans a body alone; files are named through the socket alone")
    func planWithout() async throws {
        try await TestDaemon.run { daemon in
            for (path, body, status) in [
                ("plan", "", 409), ("plan", Self.manifest, 200), ("plan?file=/etc/x", "", 403),
            ] {
                let answer = try await daemon.send(.post, "/api/v1/" + path, body)
                #expect(answer.status == status)
            }
        }
    }

    @Test("POST /reconcile answers 200 with every tunnel, 207 when one has failed, 400 for a wrong wait")
    func reconcile() async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let good = try await daemon.send(.post, "/api/v1/reconcile?wait=10s")
            #expect(good.status == 200)
            #expect(try good.json["behind"] == 0)
            #expect(try good.json["tunnels"]?.items.map { $0["outcome"] } == ["applied"])
            let id = try #require(await daemon.reconciler.instances().first?.id)
            daemon.host.show(id, .failed, .noPermission)
            let bad = try await daemon.send(.post, "/api/v1/reconcile?wait=10s")
            #expect(bad.status == 207)
            #expect(try bad.json["tunnels"]?.items.map { $0["reason"] } == ["NoPermission"])
            #expect(try await daemon.send(.post, "/api/v1/reconcile?wait=soon").status == 400)
        }
    }

    @Test("POST /reconcile of a rejected manifest is 422 with its diagnostics")
    func reconcileRejected() async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let reader = ManifestReader(environment: [:], workingDirectory: "/")
            await daemon.reconciler.declare(reader.read(text: "tunnels: [", file: "tunnels.yaml"))
            let answer = try await daemon.send(.post, "/api/v1/reconcile")
            #expect(answer.status == 422)
            #expect(try answer.json["details"]?.items.isEmpty == false)
        }
    }

    @Test("GET /manifest shows the declared layer with sources and without secrets, an override beside it")
    func declared() async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let id = try #require(await daemon.reconciler.instances().first?.id)
            #expect(try await daemon.send(.delete, "/api/v1/instances/\(id)").status == 204)
            let answer = try await daemon.send(.get, "/api/v1/manifest")
            let json = try answer.json
            #expect(answer.headers[.eTag] == "\"\(json["revision"]?.stringValue ?? "")\"")
            #expect(json["files"] == ["tunnels.yaml"])
            let tunnel = try #require(json["tunnels"]?.items.first)
            #expect(tunnel["source"] == "tunnels.yaml:3" && tunnel["valid"] == true && tunnel["state"] == "running")
            let key = tunnel["fields"]?.items.first { $0["path"] == "key" }
            #expect(key?["source"] == "tunnels.yaml:3" && key?["value"]?.stringValue == Secret.mask)
            #expect(json["overridden"]?.items.map { $0["present"] } == ["deleted"])
            #expect(!answer.text.contains("s3cret"))
        }
    }

    @Test("GET of one instance tells its keys with their places, and its last events")
    func story() async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let id = try #require(await daemon.reconciler.instances().first?.id)
            _ = try await daemon.send(.patch, "/api/v1/instances/\(id)", #"{"action":"stop"}"#)
            try await daemon.waitFor("update", id, status: "stopped")
            let json = try await daemon.send(.get, "/api/v1/instances/\(id)").json
            let sources = json["fields"]?.items.map {
                "\($0["path"]?.stringValue ?? "") \($0["source"]?.stringValue ?? "-")"
            }
            #expect(sources?.contains("tunnel tunnels.yaml:3") == true)
            #expect(sources?.contains("state -") == true)
            let events = json["events"]?.items.compactMap { $0["type"]?.stringValue } ?? []
            #expect(events.contains("create") && events.contains("override") && events.last == "update")
            #expect(json["shown"]?.stringValue?.contains("s3cret") == false)
        }
    }

    @Test("an export planned against the daemon it came from changes nothing")
    func export() async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let id = try await daemon.create(clientURL(4300), alias: "mine")
            try await daemon.waitFor("update", id, status: "running")
            let export = try await daemon.send(.get, "/api/v1/export")
            #expect(export.headers[.contentType] == "application/yaml")
            #expect(export.text.contains("  # Created through the API.\n  mine:\n"))
            let plan = try await daemon.send(.post, "/api/v1/plan", export.text).json
            #expect(plan["changes"] == false)
            #expect(plan["summary"]?["adopt"] == 1)
        }
    }

    @Test("the reconcile stream tells each notice under its name and with its number")
    func stream() async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let id = try #require(await daemon.reconciler.instances().first?.id)
            let answer = try await text(daemon, "/api/v1/reconcile/events") {
                _ = try await daemon.send(.patch, "/api/v1/instances/\(id)?ttl=30m", #"{"action":"stop"}"#)
                try await daemon.waitFor("update", id, status: "stopped")
            }
            #expect(answer.hasPrefix("retry: 3000\n\n"))
            let names = answer.split(separator: "\n").filter { $0.hasPrefix("event: ") }.map { $0.dropFirst(7) }
            // The stream may have begun before the pass that made the tunnel was told.
            #expect(names.drop { $0 != "override" } == ["override", "plan", "apply", "shutdown"])
            #expect(answer.contains(#""tunnel":"web","id":"\#(id)","alias":null,"override":{"state":"stopped","#))
            let ids = answer.split(separator: "\n").filter { $0.hasPrefix("id: ") }.compactMap { Int($0.dropFirst(4)) }
            #expect(zip(ids, ids.dropFirst()).allSatisfy { $1 == $0 + 1 })
        }
    }

    @Test("a stream of notices may begin with the newest that are stored")
    func tail() async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let id = try #require(await daemon.reconciler.instances().first?.id)
            for action in ["stop", "start", "stop"] {
                _ = try await daemon.send(.patch, "/api/v1/instances/\(id)", "{\"action\":\"\(action)\"}")
                try await daemon.waitFor("update", id, status: action == "stop" ? "stopped" : "running")
            }
            let notices = daemon.reconciler.notices
            for (count, first) in [(2, notices.lastID - 1), (500, 1)] {
                var stored = try notices.subscribe(last: count).makeAsyncIterator()
                for id in first...notices.lastID {
                    let event = try await stored.next()
                    #expect(event?.id == id)
                }
            }
            let refused = try await daemon.send(.get, "/api/v1/reconcile/events?tail=501")
            #expect(refused.status == 400)
        }
    }

    /// Everything a stream says while `act` happens.
    private func text(
        _ daemon: TestDaemon,
        _ path: String,
        act: @Sendable () async throws -> Void
    ) async throws -> String {
        let notices = daemon.reconciler.notices
        async let answer = daemon.send(.get, path)
        while notices.subscriberCount == 0 { await Task.yield() }
        try await act()
        notices.shutdown(at: Date())
        return try await answer.text
    }

    @Test("GET /metrics needs the key and has the figures of tunnels, reconciler and process")
    func metrics() async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            #expect(try await daemon.sendPlain(.get, "/metrics").status == 401)
            #expect(try await daemon.send(.post, "/api/v1/reconcile?wait=10s").status == 200)
            let reader = ManifestReader(environment: [:], workingDirectory: "/")
            await daemon.reconciler.declare(reader.read(text: "tunnels: [", file: "tunnels.yaml"))
            let answer = try await daemon.send(.get, "/metrics")
            #expect(answer.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
            for line in [
                "nodepass_tunnel_phase{tunnel=\"web\",phase=\"ready\"} 1",
                "nodepass_tunnel_received_bytes_total{tunnel=\"web\",transport=\"tcp\"} 0",
                "nodepass_manifest_rejected 1", "nodepass_manifest_rejections_total 1",
                "# TYPE process_resident_memory_bytes gauge",
            ] {
                #expect(answer.text.split(separator: "\n").contains { $0 == line }, "\(line)")
            }
        }
    }

    @Test(
        "a store that refuses is 507 where the disk is full, else 503, and says that nothing was changed",
        arguments: [
            (StateStoreError.full(path: "/s/state.db"), 507),
            (.notWritable(path: "/s/state.db", problem: "read-only"), 503),
        ]
    )
    func storage(error: StateStoreError, status: Int) throws {
        let answer = APIError(MutationError.storage(error))
        #expect(answer.status.code == status)
        #expect(answer.text.hasPrefix("Nothing was changed: ") && answer.text.contains("/s/state.db"))
    }
}
