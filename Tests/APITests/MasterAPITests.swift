import API
import Config
import HTTPTypes
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("NodePass's master API, row by row", .timeLimit(.minutes(1)))
struct MasterAPITests {
    // MARK: Requests in general

    static let bodies: [String] = [
        #"{"url":"URL"}"#, #" {"x":{"y":[1,2,{}]},"url":"URL"} trailing"#, #"{"url":"URL"}{"url":"other"}"#,
        #"{"url":"a","url":"URL","alias":null,"meta":null,"restart":null}"#,
    ]

    @Test("the first JSON value of a body counts; unknown fields and what follows are ignored")
    func firstValue() async throws {
        try await TestDaemon.run { daemon in
            for (port, body) in zip(5100..., Self.bodies) {
                let text = body.replacing("URL", with: clientURL(port))
                let key: HTTPFields = [TestDaemon.key: daemon.identity.apiKey]
                let answer = try await daemon.exchange(.post, "/api/v1/instances", text, headers: key)
                #expect(answer.status == 201, "\(body)")
                #expect(try answer.json["url"]?.stringValue == clientURL(port))
            }
        }
    }

    @Test("a body may be large: one just under the limit is read, whatever it is filled with")
    func largeBody() async throws {
        try await TestDaemon.run { daemon in
            let start = #"{"padding":""#
            let end = #"","url":"\#(clientURL(5001))"}"#
            let padding = String(repeating: "x", count: APILimits.bodyBytes - start.utf8.count - end.utf8.count)
            let answer = try await daemon.send(.post, "/api/v1/instances", start + padding + end)
            #expect(answer.status == 201)
        }
    }

    @Test("`<`, `>` and `&` are escaped, and other characters stand for themselves")
    func escapes() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(5002, "mode=1&a=<>"), alias: "ü <b>&amp; 你")
            let text = try await daemon.send(.get, "/api/v1/instances/\(id)").text
            #expect(text.contains(#""alias":"ü \u003cb\u003e\u0026amp; 你""#))
            #expect(text.contains(#"?mode=1\u0026a=\u003c\u003e""#))
            #expect(!text.contains("<") && !text.contains("&"))
        }
    }

    // MARK: Endpoints

    struct Refusal: Sendable {
        let method: HTTPRequest.Method
        let path: String
        var body: String?
        let status: Int
        let text: String
    }

    /// The rows that `InstanceContractTests.refused` does not have.
    static let refused: [Refusal] =
        [
            ("", "Invalid request body"), ("null", "Invalid request body"), ("{}", "Invalid request body"),
            (#"{"url":null}"#, "Invalid request body"), (#"{"alias":"x"}"#, "Invalid request body"),
            (#"{"url":"client://%zz/127.0.0.1:9"}"#, "Invalid URL format"),
            (#"{"url":"client://a b:1/127.0.0.1:9"}"#, "Invalid URL format"),
            (#"{"url":"client://127.0.0.1:1\n/127.0.0.1:9"}"#, "Invalid URL format"),
            (#"{"url":"https://127.0.0.1:1/127.0.0.1:2"}"#, "Invalid URL scheme"),
            (#"{"url":"nonsense"}"#, "Invalid URL scheme"),
        ].map { Refusal(method: .post, path: "instances", body: $0.0, status: 400, text: $0.1) }
        + [HTTPRequest.Method.put, .patch, .delete].map {
            Refusal(method: $0, path: "instances", status: 405, text: "Method not allowed")
        }
        + [HTTPRequest.Method.put, .patch, .delete].map {
            Refusal(method: $0, path: "info", status: 405, text: "Method not allowed")
        }
        + [HTTPRequest.Method.put, .patch, .delete, .post].map {
            Refusal(method: $0, path: "events", status: 405, text: "Method not allowed")
        }
        + [HTTPRequest.Method.put, .patch, .delete, .post].map {
            Refusal(method: $0, path: "tcping", status: 405, text: "Method not allowed")
        }
        + [
            Refusal(method: .put, path: "instances/00000000", body: "{", status: 404, text: "Instance not found"),
            Refusal(method: .get, path: "tcping?target=", status: 400, text: "Target address required"),
            Refusal(method: .get, path: "tcping?other=1", status: 400, text: "Target address required"),
        ]

    @Test("refusals have NodePass's status and text, and do nothing")
    func refusals() async throws {
        try await TestDaemon.run { daemon in
            for refusal in Self.refused {
                let answer = try await daemon.send(refusal.method, "/api/v1/" + refusal.path, refusal.body)
                #expect(answer.status == refusal.status, "\(refusal)")
                let text = refusal.text
                #expect(
                    answer.text.hasPrefix(#"{"error":"\#(text)","message":"\#(text)""#),
                    "\(refusal): \(answer.text)"
                )
            }
            #expect(await daemon.reconciler.instances().isEmpty)
        }
    }

    static let badReplacements: [(String, String)] = [
        ("{", "Invalid request body"), (#"{"url":""}"#, "Invalid request body"), ("{}", "Invalid request body"),
        (#"{"url":"client://::"}"#, "Invalid URL format"),
        (#"{"url":"master://127.0.0.1:1"}"#, "Invalid URL scheme"),
    ]

    @Test("a PUT that does not read is refused as a POST is")
    func badReplacement() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(5010))
            for (body, text) in Self.badReplacements {
                let answer = try await daemon.send(.put, "/api/v1/instances/\(id)", body)
                #expect(answer.status == 400)
                #expect(try answer.json["error"]?.stringValue == text)
            }
            #expect(await daemon.reconciler.instance(id)?.url == clientURL(5010))
        }
    }

    @Test("a POST answers stopped and restart: true, and the tunnel starts in the background")
    func creation() async throws {
        try await TestDaemon.run { daemon in
            let answer = try await daemon.send(.post, "/api/v1/instances", #"{"url":"\#(clientURL(5011))"}"#).json
            #expect(answer["status"] == "stopped" && answer["restart"] == true && answer["alias"] == "")
            let id = try #require(answer["id"]?.stringValue)
            try await daemon.waitFor("create", id, status: "stopped")
            try await daemon.waitFor("update", id, status: "running")
        }
    }

    @Test("a PUT may make a client of a server: labels, policy and counters stay, and the tunnel runs")
    func otherType() async throws {
        try await TestDaemon.run { daemon in
            let server = "server://127.0.0.1:5012/127.0.0.1:5013?mode=2"
            let id = try await daemon.createRunning(server, alias: "kept")
            let body = #"{"restart":false,"meta":{"tags":{"a":"b"},"peer":{"sid":"s"}}}"#
            _ = try await daemon.patch(id, body)
            daemon.host.count(Traffic(tcpRx: 7), for: id)
            let answer = try await daemon.send(
                .put,
                "/api/v1/instances/\(id)",
                #"{"url":"\#(clientURL(5014))"}"#
            )
            #expect(answer.status == 200)
            try await daemon.event { event in
                event["instance"]?["type"] == "client" && event["instance"]?["status"] == "running"
            }
            let row = try #require(try await daemon.row(id))
            #expect(row["alias"] == "kept" && row["restart"] == false && row["tcprx"] == 7)
            #expect(row["meta"]?["tags"] == .object(["a": "b"]) && row["meta"]?["peer"]?["sid"] == "s")
            #expect(row["config"]?.stringValue?.contains("&sni=none&") == false)
            #expect(row["config"]?.stringValue?.hasSuffix("&sni=none") == true)
        }
    }

    @Test("a PUT starts a stopped tunnel")
    func replacementStarts() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.createRunning(clientURL(5015))
            _ = try await daemon.patch(id, #"{"action":"stop"}"#)
            try await daemon.waitFor("update", id, status: "stopped")
            _ = try await daemon.send(.put, "/api/v1/instances/\(id)", #"{"url":"\#(clientURL(5016))"}"#)
            try await daemon.waitFor("update", id, status: "running")
        }
    }

    // MARK: PATCH

    @Test(
        "the answer to an action shows the state of that moment; start of a running and stop of a stopped change nothing"
    )
    func actions() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.createRunning(clientURL(5020))
            let calls = daemon.host.calls.count
            #expect(try await daemon.patch(id, #"{"action":"start"}"#).json["status"] == "running")
            #expect(try await daemon.patch(id, #"{"action":"stop"}"#).json["status"] == "running")
            try await daemon.waitFor("update", id, status: "stopped")
            #expect(try await daemon.patch(id, #"{"action":"stop"}"#).json["status"] == "stopped")
            #expect(try await daemon.patch(id, #"{"action":"start"}"#).json["status"] == "stopped")
            try await daemon.waitFor("update", id, status: "running")
            let made = Array(daemon.host.calls.dropFirst(calls))
            #expect(made.filter { $0 == .stop(id) }.count == 1)
            #expect(made.filter { $0 == .run(id, generation: 0, releaseFirst: false) }.count == 1)
        }
    }

    @Test("restart restarts a running, a stopped and a failed tunnel alike")
    func restart() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.createRunning(clientURL(5021))
            _ = try await daemon.patch(id, #"{"action":"restart"}"#)
            try await daemon.waitFor("update", id, status: "stopped")
            try await daemon.waitFor("update", id, status: "running")
            _ = try await daemon.patch(id, #"{"action":"stop"}"#)
            try await daemon.waitFor("update", id, status: "stopped")
            _ = try await daemon.patch(id, #"{"action":"restart"}"#)
            try await daemon.waitFor("update", id, status: "running")
            daemon.host.show(id, .failed, .noPermission)
            try await daemon.waitFor("update", id, status: "error")
            _ = try await daemon.patch(id, #"{"action":"restart"}"#)
            try await daemon.waitFor("update", id, status: "running")
        }
    }

    @Test("reset makes the counters 0, tells so, and later bytes count from there")
    func reset() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.createRunning(clientURL(5022))
            daemon.host.count(Traffic(tcpRx: 5, tcpTx: 6, udpRx: 7, udpTx: 8), for: id)
            #expect(try await daemon.row(id)?["udptx"] == 8)
            let answer = try await daemon.patch(id, #"{"action":"reset"}"#).json
            let names = ["tcprx", "tcptx", "udprx", "udptx"]
            #expect(names.map { answer[$0]?.intValue } == [0, 0, 0, 0])
            let event = try await daemon.event { $0["type"] == "update" }
            #expect(names.map { event["instance"]?[$0]?.intValue } == [0, 0, 0, 0])
            #expect(event["instance"]?["status"] == "running")
            daemon.host.count(Traffic(tcpRx: 1), for: id)
            #expect(try await daemon.row(id)?["tcprx"] == 1)
        }
    }

    @Test("alias, restart and meta are each told by an update")
    func labels() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.createRunning(clientURL(5023))
            _ = try await daemon.patch(id, #"{"alias":"told"}"#)
            let alias = try await daemon.event { $0["type"] == "update" }
            #expect(alias["instance"]?["alias"] == "told")
            _ = try await daemon.patch(id, #"{"restart":false}"#)
            let policy = try await daemon.event { $0["type"] == "update" }
            #expect(policy["instance"]?["restart"] == false)
            _ = try await daemon.patch(id, #"{"meta":{"peer":{"sid":"s"}}}"#)
            let event = try await daemon.event { $0["type"] == "update" }
            #expect(event["instance"]?["meta"]?["peer"]?["sid"] == "s")
        }
    }

    // MARK: URLs

    struct Enhancement: Sendable {
        var defaults = MasterDefaults()
        let sent: String
        let url: String
        let config: String
    }

    static let tls2 = MasterDefaults(log: .warn, tls: 2, certificate: "/etc/a b.crt", key: "/etc/a.key")

    /// What the master adds stands at the end of `url`; `config` is sorted, with every default.
    static let enhancements: [Enhancement] = [
        Enhancement(
            sent: "client://127.0.0.1:5030/127.0.0.1:9",
            url: "client://127.0.0.1:5030/127.0.0.1:9",
            config: "client://127.0.0.1:5030/127.0.0.1:9?block=0&dial=auto&dns=5m0s&min=64&mode=0&notcp=0&noudp=0"
                + "&proxy=0&rate=0&read=0s&slot=65536&sni=none"
        ),
        Enhancement(
            sent: "server://:5030/:8080",
            url: "server://:5030/:8080",
            config: "server://:5030/:8080?block=0&dial=auto&dns=5m0s&max=1024&mode=0&notcp=0&noudp=0&proxy=0&rate=0"
                + "&read=0s&slot=65536&type=0"
        ),
        Enhancement(
            defaults: MasterDefaults(log: .info),
            sent: "client://secret@127.0.0.1:32711/127.0.0.1:32780?mode=2&min=4",
            url: "client://secret@127.0.0.1:32711/127.0.0.1:32780?mode=2&min=4&log=info",
            config: "client://secret@127.0.0.1:32711/127.0.0.1:32780?block=0&dial=auto&dns=5m0s&log=info&min=4&mode=2"
                + "&notcp=0&noudp=0&proxy=0&rate=0&read=0s&slot=65536&sni=none"
        ),
        Enhancement(
            defaults: MasterDefaults(log: .info, tls: 1),
            sent: "client://127.0.0.1:5030/127.0.0.1:9?log=debug&mode=1",
            url: "client://127.0.0.1:5030/127.0.0.1:9?log=debug&mode=1",
            config: "client://127.0.0.1:5030/127.0.0.1:9?block=0&dial=auto&dns=5m0s&log=debug&min=64&mode=1&notcp=0"
                + "&noudp=0&proxy=0&rate=0&read=0s&slot=65536&sni=none"
        ),
        Enhancement(
            defaults: MasterDefaults(tls: 1),
            sent: "server://secret@127.0.0.1:32711/127.0.0.1:32713?mode=1&log=info",
            url: "server://secret@127.0.0.1:32711/127.0.0.1:32713?mode=1&log=info&tls=1",
            config: "server://secret@127.0.0.1:32711/127.0.0.1:32713?block=0&dial=auto&dns=5m0s&log=info&max=1024"
                + "&mode=1&notcp=0&noudp=0&proxy=0&rate=0&read=0s&slot=65536&tls=1&type=0"
        ),
        Enhancement(
            defaults: MasterDefaults(log: .info, tls: 1),
            sent: "server://127.0.0.1:5030/127.0.0.1:9?tls=0",
            url: "server://127.0.0.1:5030/127.0.0.1:9?tls=0&log=info",
            config: "server://127.0.0.1:5030/127.0.0.1:9?block=0&dial=auto&dns=5m0s&log=info&max=1024&mode=0&notcp=0"
                + "&noudp=0&proxy=0&rate=0&read=0s&slot=65536&tls=0&type=0"
        ),
        Enhancement(
            defaults: tls2,
            sent: "server://127.0.0.1:5030/127.0.0.1:9",
            url: "server://127.0.0.1:5030/127.0.0.1:9?log=warn&tls=2&crt=%2Fetc%2Fa+b.crt&key=%2Fetc%2Fa.key",
            config: "server://127.0.0.1:5030/127.0.0.1:9?block=0&crt=%2Fetc%2Fa+b.crt&dial=auto&dns=5m0s"
                + "&key=%2Fetc%2Fa.key&log=warn&max=1024&mode=0&notcp=0&noudp=0&proxy=0&rate=0&read=0s&slot=65536"
                + "&tls=2&type=0"
        ),
        Enhancement(
            defaults: tls2,
            sent: "server://127.0.0.1:5030/127.0.0.1:9?key=/own.key&crt=/own.crt",
            url: "server://127.0.0.1:5030/127.0.0.1:9?key=/own.key&crt=/own.crt&log=warn&tls=2",
            config: "server://127.0.0.1:5030/127.0.0.1:9?block=0&crt=%2Fown.crt&dial=auto&dns=5m0s&key=%2Fown.key"
                + "&log=warn&max=1024&mode=0&notcp=0&noudp=0&proxy=0&rate=0&read=0s&slot=65536&tls=2&type=0"
        ),
        Enhancement(
            sent: "server://pa%20ss@[::1]:5030/127.0.0.1:8080,127.0.0.2:8080?zzz=1&dns=&type=3&note=a b",
            url: "server://pa%20ss@[::1]:5030/127.0.0.1:8080,127.0.0.2:8080?zzz=1&dns=&type=3&note=a b",
            config: "server://pa%20ss@[::1]:5030/127.0.0.1:8080,127.0.0.2:8080?block=0&dial=auto&dns=5m0s&max=1024"
                + "&mode=0&notcp=0&note=a+b&noudp=0&proxy=0&rate=0&read=0s&slot=65536&type=3&zzz=1"
        ),
    ]

    @Test("the master's parameters are added to url, and config has every default", arguments: enhancements)
    func enhancement(_ example: Enhancement) async throws {
        try await TestDaemon.run(defaults: example.defaults) { daemon in
            let body = #"{"url":"\#(example.sent)"}"#
            let created = try await daemon.send(.post, "/api/v1/instances", body)
            #expect(created.status == 201, "\(created.text)")
            #expect(try created.json["url"]?.stringValue == example.url)
            let config = try created.json["config"]?.stringValue
            #expect(config == example.config)
            let id = try #require(try created.json["id"]?.stringValue)
            // The same again is the URL it has, also in the form it was given.
            for url in Set([example.sent, example.url]) {
                let same = try await daemon.send(.put, "/api/v1/instances/\(id)", #"{"url":"\#(url)"}"#)
                #expect(same.status == 409)
                #expect(try same.json["error"] == "Instance URL conflict")
            }
            _ = try await daemon.send(.put, "/api/v1/instances/\(id)", #"{"url":"\#(clientURL(5040, "log=info"))"}"#)
            let replaced = try await daemon.send(.put, "/api/v1/instances/\(id)", body)
            #expect(try replaced.json["url"]?.stringValue == example.url)
            #expect(try replaced.json["config"]?.stringValue == example.config)
        }
    }
}
