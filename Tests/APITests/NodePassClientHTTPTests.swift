import API
import Config
import HTTPTypes
import Reconciler
import TestSupport
import Testing

@Suite("What NodePass's clients rely on: HTTP", .timeLimit(.minutes(1)))
struct NodePassClientHTTPTests {
    @Test("every JSON answer says application/json, and each request has v1.14's status")
    func statuses() async throws {
        try await TestDaemon.run { daemon in
            let created = try await daemon.send(.post, "/api/v1/instances", #"{"url":"\#(clientURL(4600))"}"#)
            let id = try #require(try created.json["id"]?.stringValue)
            let path = "/api/v1/instances/\(id)"
            let patched = try await daemon.send(.patch, path, #"{"alias":"a"}"#)
            #expect(patched.status == 200)
            AnswerShape.check(instance: try patched.json, isBare: false)
            let answers: [(Answer, Int)] = [
                (created, 201),
                (patched, 200),
                (try await daemon.send(.get, path), 200),
                (try await daemon.send(.get, "/api/v1/instances"), 200),
                (try await daemon.send(.put, path, #"{"url":"\#(clientURL(4600))"}"#), 409),
                (try await daemon.send(.put, path, #"{"url":"\#(clientURL(4601))"}"#), 200),
                (try await daemon.send(.get, "/api/v1/info"), 200),
                (try await daemon.send(.post, "/api/v1/info", "{}"), 200),
                (try await daemon.send(.get, "/api/v1/tcping?target=127.0.0.1:1"), 200),
                (try await daemon.send(.delete, "/api/v1/instances/********"), 403),
                (try await daemon.send(.put, "/api/v1/instances/********", #"{"url":"\#(clientURL(1))"}"#), 403),
                (try await daemon.send(.get, "/api/v1/instances/ffffffff"), 404),
                (try await daemon.send(.post, path), 405),
                (try await daemon.send(.post, "/api/v1/events"), 405),
                (try await daemon.sendPlain(.get, "/api/v1/instances"), 401),
                (try await daemon.sendPlain(.get, "/api/v1/events"), 401),
                (try await daemon.sendPlain(.get, "/api/v1/events", headers: [TestDaemon.key: "x"]), 401),
            ]
            for (answer, status) in answers {
                #expect(answer.status == status, "\(answer.text)")
                #expect(answer.headers[.contentType] == "application/json")
                #expect(answer.text.hasSuffix("\n"))
            }
            let gone = try await daemon.send(.delete, path)
            #expect(gone.status == 204 && gone.text.isEmpty && gone.headers[.contentType] == nil)
            #expect(try await daemon.send(.delete, path).status == 404)
        }
    }

    @Test("every error begins with its text twice, as error and as message")
    func errorTexts() async throws {
        try await TestDaemon.run(manifest: EveryAnswer.manifest) { daemon in
            let answers = try await EveryAnswer(daemon)
            #expect(!answers.refusals.isEmpty)
            for answer in answers.refusals {
                #expect((400..<500).contains(answer.status))
                let text = try #require(try answer.json["error"]?.stringValue)
                #expect(!text.isEmpty)
                #expect(answer.text.hasPrefix(#"{"error":"\#(text)","message":"\#(text)","#))
            }
        }
    }

    @Test(
        "content types are ignored, header names are case-insensitive, and `*`, `[`, `]`, `:` need no escape in the target"
    )
    func looseRequests() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4610))
            try await daemon.served { client in
                let types = [nil, "application/x-www-form-urlencoded", "text/plain", "nonsense"]
                for (type, name) in zip(types, ["X-API-KEY", "x-api-key", "X-Api-Key", "X-API-Key"]) {
                    let fields = ["\(name): \(client.key)"] + (type.map { ["Content-Type: \($0)"] } ?? [])
                    let patched = try await client.send(
                        "PATCH /api/v1/instances/\(id)",
                        fields,
                        body: #"{ "restart": true, "alias": "\#(name)" }"#
                    )
                    #expect(patched.status == 200)
                    #expect(try patched.json["alias"]?.stringValue == name)
                }
                let key = "X-API-Key: \(client.key)"
                let row = try await client.send("GET /api/v1/instances/********", [key])
                #expect(row.status == 200)
                #expect(try row.json["url"]?.stringValue == client.key)
                let ping = try await client.send("GET /api/v1/tcping?target=[::1]:1", [key])
                #expect(ping.status == 200)
                #expect(try ping.json["target"] == "[::1]:1")
                #expect(try ping.json["error"] == "dial tcp [::1]:1: connect: connection refused")
                let reached = try await client.send("GET /api/v1/tcping?target=127.0.0.1:\(client.port)", [key])
                let text = #"{"target":"127.0.0.1:\#(client.port)","connected":true,"latency":"#
                #expect(reached.body.hasPrefix(text) && reached.body.hasSuffix(#","error":null}"# + "\n"))
                let rotated = try await client.send(
                    "PATCH /api/v1/instances/********",
                    [key],
                    body: #"{"action":"restart"}"#
                )
                #expect(try rotated.json["url"]?.stringValue == daemon.identity.apiKey)
                #expect(daemon.identity.apiKey != client.key)
            }
        }
    }

    static let foreign: [String] = [
        "extend_target_address=10.0.0.1:80,10.0.0.2:80", "lbs=2", "vendor.key=%E4%BD%A0", "min=8&max=64&type=3&lbs=0",
    ]

    @Test("unknown keys of a URL are accepted and kept, and the tunnel runs")
    func unknownParameters() async throws {
        try await TestDaemon.run { daemon in
            for (port, query) in zip(4620..., Self.foreign) {
                let url = clientURL(port, query + "&mode=1")
                let id = try await daemon.createRunning(url)
                let row = try #require(try await daemon.row(id))
                #expect(row["url"]?.stringValue == url)
                for pair in query.split(separator: "&") {
                    let name = pair.prefix { $0 != "=" }
                    #expect(row["config"]?.stringValue?.contains("\(name)=") == true)
                }
                let other = clientURL(port, "mode=1&" + query)
                let replaced = try await daemon.send(.put, "/api/v1/instances/\(id)", #"{"url":"\#(other)"}"#)
                #expect(try replaced.json["url"]?.stringValue == other)
            }
        }
    }

    @Test("PATCH takes any one part: null members of a peer are empty, tags replace the map, the rest stays")
    func partialPatch() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.createRunning(clientURL(4630), alias: "first")
            func labels(_ body: String) async throws -> TunnelLabels {
                _ = try await daemon.patch(id, body)
                let row = try #require(try await daemon.row(id))
                let peer = ["sid", "type", "alias"].map { row["meta"]?["peer"]?[$0]?.stringValue ?? "?" }
                let tags = row["meta"]?["tags"]?.names.map { ($0, row["meta"]?["tags"]?[$0]?.stringValue ?? "?") } ?? []
                return TunnelLabels(
                    alias: row["alias"]?.stringValue ?? "?",
                    tags: Dictionary(tags) { $1 },
                    peer: PeerLabel(sid: peer[0], type: peer[1], alias: peer[2])
                )
            }
            var expected = TunnelLabels(alias: "second", tags: [:], peer: PeerLabel())
            #expect(try await labels(#"{"alias":"second"}"#) == expected)
            #expect(try await labels(#"{"alias":""}"#) == expected)
            #expect(try await labels(#"{"restart":false}"#) == expected)
            #expect(try await daemon.row(id)?["restart"] == false)
            expected.peer = PeerLabel(sid: "s", type: "1", alias: "")
            #expect(try await labels(#"{"meta":{"peer":{"sid":"s","type":"1","alias":null}}}"#) == expected)
            expected.tags = ["a": "1", "b": "2"]
            #expect(try await labels(#"{"meta":{"tags":{"b":"2","a":"1"}}}"#) == expected)
            expected.tags = ["c": "3"]
            #expect(try await labels(#"{"meta":{"tags":{"c":"3"}}}"#) == expected)
            expected.peer = PeerLabel()
            #expect(try await labels(#"{"meta":{"peer":{"type":null}}}"#) == expected)
            expected.tags = [:]
            #expect(try await labels(#"{"meta":{"tags":{}}}"#) == expected)
            #expect(try await labels(#"{"action":"stop"}"#) == expected)
            #expect(try await labels("{}") == expected)
            #expect(try await daemon.row(id)?["restart"] == false)
            #expect(try await daemon.patch(id, #"{"restart":true}"#).json["restart"] == true)
        }
    }

    static let fits = String(repeating: "é", count: 128)
    static let exceeds = String(repeating: "é", count: 128) + "x"

    @Test("labels may have 256 bytes, however many characters those are")
    func limits() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4631))
            func bodies(_ text: String) -> [String] {
                [
                    #"{"alias":"\#(text)"}"#,
                    #"{"meta":{"peer":{"sid":"\#(text)"}}}"#,
                    #"{"meta":{"peer":{"type":"\#(text)"}}}"#,
                    #"{"meta":{"peer":{"alias":"\#(text)"}}}"#,
                    #"{"meta":{"tags":{"\#(text)":""}}}"#,
                    #"{"meta":{"tags":{"k":"\#(text)"}}}"#,
                ]
            }
            for body in bodies(Self.fits) { #expect(try await daemon.patch(id, body).status == 200) }
            let texts = [
                "Instance alias", "Meta peer.sid", "Meta peer.type", "Meta peer.alias", "Meta tag key",
                "Meta tag value",
            ]
            for (body, what) in zip(bodies(Self.exceeds), texts) {
                let answer = try await daemon.patch(id, body)
                #expect(answer.status == 400)
                #expect(try answer.json["error"]?.stringValue == "\(what) exceeds maximum length 256")
            }
            #expect(try await daemon.send(.post, "/api/v1/info", #"{"alias":"\#(Self.fits)"}"#).status == 200)
            #expect(try await daemon.send(.post, "/api/v1/info", #"{"alias":"\#(Self.exceeds)"}"#).status == 400)
        }
    }

    @Test("every routed answer, errors and streams too, carries the CORS fields; a preflight needs no key")
    func corsFields() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4640))
            try await daemon.served { client in
                let key = ["X-API-Key: \(client.key)"]
                let large = String(repeating: " ", count: APILimits.bodyBytes + 1)
                let preflight = [
                    "Origin: https://panel.example", "Access-Control-Request-Method: PATCH",
                    "Access-Control-Request-Headers: x-api-key,content-type,cache-control",
                ]
                var stream = try await client.follow()
                var answers: [(WireAnswer, Int)] = [
                    (try await stream.read(until: #""logs":""}"# + "\n\n"), 200),
                    (try await client.send("GET /api/v1/instances", key), 200),
                    (try await client.send("POST /api/v1/instances", key, body: "{"), 400),
                    (try await client.send("POST /api/v1/instances", key, body: large), 413),
                    (try await client.send("GET /api/v1/instances"), 401),
                    (try await client.send("GET /api/v1/events"), 401),
                    (try await client.send("GET /api/v1/info", ["X-API-Key: wrong"]), 401),
                    (try await client.send("DELETE /api/v1/instances/********", key), 403),
                    (try await client.send("GET /api/v1/instances/00000000", key), 404),
                    (try await client.send("DELETE /api/v1/info", key), 405),
                    (
                        try await client.send(
                            "PUT /api/v1/instances/\(id)",
                            key,
                            body: #"{"url":"\#(clientURL(4640))"}"#
                        ), 409
                    ),
                    (
                        try await client.send("PATCH /api/v1/instances/\(id)", key + ["If-Match: \"x\""], body: "{}"),
                        412
                    ),
                    (try await client.send("GET /api/v1/openapi.json"), 200),
                    (try await client.send("DELETE /api/v1/instances/\(id)", key), 204),
                ]
                for path in ["instances", "instances/\(id)", "instances/********", "events", "info", "tcping"] {
                    let answer = try await client.send("OPTIONS /api/v1/\(path)", preflight)
                    #expect(answer.body.isEmpty && answer.field("Content-Length") == "0")
                    answers.append((answer, 200))
                }
                for (answer, status) in answers {
                    #expect(answer.status == status, "\(answer.lines)")
                    #expect(answer.field("Access-Control-Allow-Origin") == "*", "\(answer.lines)")
                    let methods = "GET, PATCH, POST, PUT, DELETE, OPTIONS"
                    #expect(answer.field("Access-Control-Allow-Methods") == methods)
                    let names = "Content-Type, Authorization, X-API-Key, Cache-Control"
                    #expect(answer.field("Access-Control-Allow-Headers") == names)
                }
                try await stream.close()
            }
        }
    }

    @Test("info has v1.14's 21 keys in their order, then ours, texts as texts and numbers as integers")
    func infoShape() async throws {
        try await TestDaemon.run { daemon in
            let answer = try await daemon.send(.get, "/api/v1/info")
            let json = try answer.json
            let names = [
                "alias", "arch", "cpu", "crt", "diskr", "diskw", "key", "log", "mem_total", "mem_used", "mid", "name",
                "netrx", "nettx", "os", "swap_total", "swap_used", "sysup", "tls", "uptime", "ver",
            ]
            let ours = [
                "noc", "impl", "build", "hostname", "fd_limit", "fd_tunnels", "fd_users", "fd_taken", "refused",
            ]
            #expect(json.names == names + ours)
            let texts = [
                "alias", "arch", "crt", "key", "log", "mid", "name", "os", "tls", "ver", "impl", "build", "hostname",
            ]
            for name in json.names {
                let value = json[name]
                #expect(texts.contains(name) ? value?.stringValue != nil : (value?.intValue ?? -1) >= 0, "\(name)")
            }
            #expect(json["os"] == "linux" && json["ver"] == "1.14.0" && json["tls"] == "0")
            #expect(json["mid"]?.stringValue?.wholeMatch(of: /[0-9a-f]{16}/) != nil)
            #expect(AnswerShape.numbers(in: answer.text).allSatisfy { Int64($0) != nil })
            #expect(try await daemon.send(.post, "/api/v1/info", #"{"alias":"edge"}"#).json["alias"] == "edge")
            #expect(try await daemon.send(.get, "/api/v1/info").json["alias"] == "edge")
            #expect(try await daemon.send(.post, "/api/v1/info", #"{"other":1}"#).json["alias"] == "")
        }
    }

    @Test(
        "rotating the key answers the new one, ends the old one, and ends every stream with shutdown",
        arguments: ["********", "%2A%2A%2A%2A%2A%2A%2A%2A"]
    )
    func keyRotation(_ id: String) async throws {
        try await TestDaemon.run { daemon in
            try await daemon.served { client in
                var stream = try await client.follow()
                _ = try await stream.read(until: #""logs":""}"# + "\n\n")
                let answer = try await daemon.send(.patch, "/api/v1/instances/\(id)", #"{"action":"restart"}"#)
                let new = try #require(try answer.json["url"]?.stringValue)
                #expect(new.wholeMatch(of: /[0-9a-f]{32}/) != nil && new != client.key)
                #expect(try answer.json["data"]?["url"]?.stringValue == new)
                let whole = try await stream.readToEnd()
                #expect(whole.isWhole)
                let text = StreamText(whole.body)
                #expect(try text.types == ["initial", "shutdown"])
                #expect(whole.body.hasSuffix(#","instance":null,"logs":""}"# + "\n\n"))
                try? await stream.close()
                #expect(try await client.send("GET /api/v1/instances", ["X-API-Key: \(client.key)"]).status == 401)
                #expect(try await client.send("GET /api/v1/instances", ["X-API-Key: \(new)"]).status == 200)
            }
        }
    }
}
