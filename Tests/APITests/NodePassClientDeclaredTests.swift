import API
import Config
import HTTPTypes
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("What NodePass's clients rely on: documents and declared tunnels", .timeLimit(.minutes(1)))
struct NodePassClientDeclaredTests {
    @Test("the documents need no key and are below the prefix", arguments: ["", "/custom/path/"])
    func documentPaths(_ prefix: String) async throws {
        try await TestDaemon.run(prefix: prefix) { daemon in
            let base = (prefix.isEmpty ? "/api" : "/custom/path") + "/v1"
            let document = try await daemon.sendPlain(.get, base + "/openapi.json")
            #expect(document.status == 200)
            #expect(document.headers[.contentType] == "application/json")
            #expect(try document.json["openapi"]?.stringValue?.hasPrefix("3.1") == true)
            #expect(document.text.contains(base))
            let page = try await daemon.sendPlain(.get, base + "/docs")
            #expect(page.status == 200)
            #expect(page.headers[.contentType]?.hasPrefix("text/html") == true)
            let elsewhere = prefix.isEmpty ? "/custom/path/v1" : "/api/v1"
            #expect(try await daemon.sendPlain(.get, elsewhere + "/openapi.json").status == 404)
            #expect(try await daemon.sendPlain(.get, elsewhere + "/docs").status == 404)
        }
    }

    static let manifest = """
        version: 1
        tunnels:
          web:
            role: client
            mode: single
            tunnel: 127.0.0.1:4800
            target: 127.0.0.1:9
            alias: Web
            tags: {env: prod}
            peer: {sid: "s", type: "1", alias: "p"}
          mail: {role: client, mode: single, tunnel: 127.0.0.1:4801, target: 127.0.0.1:9}

        """

    struct Mutation: Sendable {
        let method: HTTPRequest.Method
        var body: String?
        var status = 200
        /// What the override then holds; nil where there is nothing to override.
        let key: String?
    }

    static let mutations: [Mutation] = [
        Mutation(method: .patch, body: #"{"action":"stop"}"#, key: "state"),
        Mutation(method: .patch, body: #"{"action":"start"}"#, key: nil),
        Mutation(method: .patch, body: #"{"action":"restart"}"#, key: nil),
        Mutation(method: .patch, body: #"{"action":"reset"}"#, key: nil),
        Mutation(method: .patch, body: #"{"alias":"Other"}"#, key: "alias"),
        Mutation(method: .patch, body: #"{"restart":false}"#, key: "restart"),
        Mutation(method: .patch, body: #"{"meta":{"tags":{}}}"#, key: "tags"),
        Mutation(method: .patch, body: #"{"meta":{"peer":{"sid":"","type":"","alias":""}}}"#, key: "peer"),
        Mutation(method: .put, body: #"{"url":"\#(clientURL(4802))"}"#, key: "command"),
        Mutation(method: .delete, status: 204, key: "deleted"),
    ]

    @Test(
        "a mutation of a declared tunnel is accepted with its usual status and marked as an override",
        arguments: mutations
    )
    func overrideAnswers(_ mutation: Mutation) async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let id = try await daemon.declared("web")
            let answer = try await daemon.send(mutation.method, "/api/v1/instances/\(id)", mutation.body)
            #expect(answer.status == mutation.status)
            guard mutation.status == 200 else {
                #expect(try await daemon.row(id) == nil)
                #expect(try await daemon.send(.delete, "/api/v1/instances/\(id)/override").status == 200)
                #expect(try await daemon.row(id)?["override"] == JSONValue.null)
                return
            }
            let override = try #require(try await daemon.row(id)?["override"])
            #expect(try answer.json["override"] == override)
            if let key = mutation.key {
                #expect(override.names.contains(key))
            } else {
                #expect(override["deleted"] == nil && override["command"] == nil)
            }
        }
    }

    @Test(
        "a tunnel made anew by the reconciler keeps id, counters, alias, tags and peer, and no delete event is sent"
    )
    func recreated() async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let reader = ManifestReader(environment: [:], workingDirectory: "/")
            let id = try await daemon.declared("web")
            daemon.host.count(Traffic(tcpRx: 11, tcpTx: 22, udpRx: 33, udpTx: 44), for: id)
            let text = try await daemon.stream {
                // First another address, then another role: nothing of the running tunnel can stay.
                for (port, kind) in [
                    (4810, "role: client\n    mode: single"), (4811, "role: server\n    mode: forward"),
                ] {
                    let edited = Self.manifest.replacing("4800", with: "\(port)")
                        .replacing("role: client\n    mode: single", with: kind)
                    await daemon.reconciler.declare(reader.read(text: edited, file: "tunnels.yaml"))
                    try await daemon.event { event in
                        event["type"] == "update" && event["instance"]?["id"]?.stringValue == id
                            && event["instance"]?["url"]?.stringValue?.contains("\(port)") == true
                    }
                }
                _ = try await daemon.patch(id, #"{"action":"restart"}"#)
                try await daemon.waitFor("update", id, status: "running")
            }.text
            let row = try #require(try await daemon.row(id))
            #expect(row["type"] == "server")
            #expect(row["alias"] == "Web" && row["meta"]?["tags"] == .object(["env": "prod"]))
            #expect(row["meta"]?["peer"] == .object(["sid": "s", "type": "1", "alias": "p"]))
            #expect(["tcprx", "tcptx", "udprx", "udptx"].map { row[$0]?.intValue } == [11, 22, 33, 44])
            #expect(try !StreamText(text).types.contains { ["create", "delete"].contains($0) })
        }
    }

    @Test("what REST sets on a declared tunnel lasts until that tunnel's declaration is edited")
    func labels() async throws {
        try await TestDaemon.run(manifest: Self.manifest) { daemon in
            let reader = ManifestReader(environment: [:], workingDirectory: "/")
            let id = try await daemon.declared("web")
            _ = try await daemon.patch(id, #"{"alias":"Mine","meta":{"tags":{"a":"b"},"peer":{"sid":"x"}}}"#)
            let edited = Self.manifest.replacing("4801", with: "4812")
            await daemon.reconciler.declare(reader.read(text: edited, file: "tunnels.yaml"))
            _ = try await daemon.patch(id, #"{"action":"restart"}"#)
            try await daemon.waitFor("update", id, status: "running")
            let row = try #require(try await daemon.row(id))
            #expect(row["alias"] == "Mine" && row["meta"]?["tags"] == .object(["a": "b"]))
            #expect(row["meta"]?["peer"] == .object(["sid": "x", "type": "", "alias": ""]))
        }
    }

    @Test("an alias is not an identity: two tunnels may share one, and each keeps its id")
    func sharedAlias() async throws {
        try await TestDaemon.run { daemon in
            let first = try await daemon.createRunning(clientURL(4820))
            let second = try await daemon.createRunning(clientURL(4821))
            #expect(first != second)
            for id in [first, second] {
                let answer = try await daemon.patch(id, #"{"alias":"same"}"#)
                #expect(answer.status == 200)
                #expect(try answer.json["id"]?.stringValue == id && answer.json["alias"] == "same")
            }
            let third = try await daemon.create(clientURL(4822), alias: "same")
            _ = try await daemon.patch(first, #"{"alias":"\#(second)"}"#)
            let rows = try await daemon.send(.get, "/api/v1/instances").json.items.dropFirst()
            #expect(rows.map { $0["id"]?.stringValue } == [first, second, third].sorted())
            #expect(try await daemon.send(.delete, "/api/v1/instances/\(first)").status == 204)
            for id in [second, third] { #expect(try await daemon.row(id)?["alias"] == "same") }
        }
    }
}
