import API
import Config
import HTTPTypes
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("Instances keep NodePass's shapes and statuses", .timeLimit(.minutes(1)))
struct InstanceContractTests {
    static let v1Keys = [
        "id", "alias", "type", "status", "url", "config", "restart", "meta", "mode", "ping", "pool", "tcps", "udps",
        "tcprx", "tcptx", "udprx", "udptx",
    ]
    static let ourKeys = [
        "name", "origin", "source", "phase", "reason", "message", "revision", "override", "connections", "pool_size",
        "uptime", "tcp_in", "tcp_out", "udp_in", "udp_out", "draining", "rejected", "refused", "certificate",
    ]
    /// Only in answers about one instance.
    static let details = ["listening", "history", "targets", "connected_peer"]

    @Test("a created instance has v1.14's keys in order, then ours, then success and data")
    func creation() async throws {
        try await TestDaemon.run { daemon in
            let body =
                #"{"url":"client://pw@127.0.0.1:4000/127.0.0.1:9?zzz=1&mode=1","alias":"a","unknown":[1]} trailing"#
            let answer = try await daemon.send(.post, "/api/v1/instances", body)
            #expect(answer.status == 201)
            #expect(answer.text.hasSuffix("}\n") && answer.text.hasPrefix(#"{"id":""#))
            let json = try answer.json
            #expect(json.names == Self.v1Keys + Self.ourKeys + Self.details + ["success", "data"])
            #expect(json["data"]?.names == Self.v1Keys + Self.ourKeys + Self.details)
            #expect(json["status"] == "stopped")
            #expect(json["data"]?["id"] == json["id"])
            #expect(json["id"]?.stringValue?.wholeMatch(of: /[0-9a-f]{8}/) != nil)
            #expect(answer.text.contains(#""url":"client://pw@127.0.0.1:4000/127.0.0.1:9?zzz=1\u0026mode=1""#))
            #expect(answer.text.contains(#""meta":{"peer":{"sid":"","type":"","alias":""},"tags":{}}"#))
        }
    }

    @Test("a list is bare, begins with the key's row and is ordered")
    func list() async throws {
        try await TestDaemon.run { daemon in
            let first = try await daemon.create(clientURL(4001))
            let second = try await daemon.create(clientURL(4002))
            let answer = try await daemon.send(.get, "/api/v1/instances")
            let rows = try answer.json.items
            #expect(rows.map { $0["id"]?.stringValue } == ["********"] + [first, second].sorted())
            #expect(rows[0].names == Self.v1Keys)
            #expect(rows[0]["url"]?.stringValue == daemon.identity.apiKey)
            #expect(rows[0]["config"]?.stringValue == daemon.identity.masterID)
            #expect(rows[1].names == Self.v1Keys + Self.ourKeys)
        }
    }

    struct Refusal: Sendable {
        let method: HTTPRequest.Method
        let path: String
        var body: String?
        let status: Int
        let text: String
    }

    static let long: String = String(repeating: "x", count: 257)
    static let refused: [Refusal] = [
        Refusal(method: .post, path: "instances", body: "{", status: 400, text: "Invalid request body"),
        Refusal(method: .post, path: "instances", body: "[]", status: 400, text: "Invalid request body"),
        Refusal(method: .post, path: "instances", body: #"{"url":""}"#, status: 400, text: "Invalid request body"),
        Refusal(method: .post, path: "instances", body: #"{"url":7}"#, status: 400, text: "Invalid request body"),
        Refusal(
            method: .post,
            path: "instances",
            body: #"{"url":"client://::"}"#,
            status: 400,
            text: "Invalid URL format"
        ),
        Refusal(
            method: .post,
            path: "instances",
            body: #"{"url":"master://127.0.0.1:1"}"#,
            status: 400,
            text: "Invalid URL scheme"
        ),
        Refusal(method: .put, path: "instances", status: 405, text: "Method not allowed"),
        Refusal(method: .get, path: "instances/", status: 400, text: "Instance ID is required"),
        Refusal(method: .get, path: "instances/00000000", status: 404, text: "Instance not found"),
        Refusal(method: .post, path: "instances/00000000", status: 404, text: "Instance not found"),
        Refusal(method: .patch, path: "instances/00000000", body: "{}", status: 404, text: "Instance not found"),
        Refusal(method: .delete, path: "instances/00000000", status: 404, text: "Instance not found"),
        Refusal(method: .delete, path: "instances/********", status: 403, text: "Forbidden: API Key"),
        Refusal(method: .put, path: "instances/********", body: "{}", status: 403, text: "Forbidden: API Key"),
        Refusal(method: .post, path: "instances/********", status: 405, text: "Method not allowed"),
        Refusal(method: .post, path: "info", body: "{", status: 400, text: "Invalid request body"),
        Refusal(
            method: .post,
            path: "info",
            body: #"{"alias":"\#(long)"}"#,
            status: 400,
            text: "Master alias exceeds maximum length 256"
        ),
        Refusal(method: .get, path: "tcping", status: 400, text: "Target address required"),
        Refusal(method: .post, path: "events", status: 405, text: "Method not allowed"),
    ]

    @Test("refusals have NodePass's status and text, twice", arguments: refused)
    func refusals(_ refusal: Refusal) async throws {
        try await TestDaemon.run { daemon in
            let answer = try await daemon.send(refusal.method, "/api/v1/" + refusal.path, refusal.body)
            #expect(answer.status == refusal.status)
            #expect(try answer.json["error"]?.stringValue == refusal.text)
            #expect(try answer.json["message"]?.stringValue == refusal.text)
            #expect(answer.headers[.contentType] == "application/json")
            #expect(answer.headers[.accessControlAllowOrigin] == "*")
        }
    }

    static let badPatches: [(body: String, text: String)] = [
        ("", "Invalid request body"),
        ("{", "Invalid request body"),
        (#"{"alias":"new","action":"bogus"}"#, "Invalid action: bogus"),
        (#"{"alias":"new","restart":1}"#, "Invalid request body"),
        (#"{"alias":"\#(long)"}"#, "Instance alias exceeds maximum length 256"),
        (#"{"alias":"new","meta":{"peer":{"sid":"\#(long)"}}}"#, "Meta peer.sid exceeds maximum length 256"),
        (#"{"alias":"new","meta":{"tags":{"k":"\#(long)"}}}"#, "Meta tag value exceeds maximum length 256"),
        (#"{"alias":"new","meta":{"tags":[]}}"#, "Invalid request body"),
    ]

    @Test("a PATCH with one wrong part changes nothing", arguments: badPatches)
    func badPatch(_ body: String, _ text: String) async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4003), alias: "old")
            let answer = try await daemon.send(.patch, "/api/v1/instances/\(id)", body)
            #expect(answer.status == 400)
            #expect(try answer.json["error"]?.stringValue == text)
            #expect(await daemon.reconciler.instance(id)?.labels.alias == "old")
        }
    }

    @Test("stop and start are told by events and kept in history; start also mends a failed tunnel")
    func control() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4005))
            try await daemon.waitFor("create", id, status: "stopped")
            try await daemon.waitFor("update", id, status: "running")
            _ = try await daemon.send(.patch, "/api/v1/instances/\(id)", #"{"action":"stop"}"#)
            try await daemon.waitFor("update", id, status: "stopped")
            _ = try await daemon.send(.patch, "/api/v1/instances/\(id)", #"{"action":"start"}"#)
            try await daemon.waitFor("update", id, status: "running")
            daemon.host.show(id, .failed, .noPermission)
            try await daemon.waitFor("update", id, status: "error")
            let steps = try await daemon.send(.get, "/api/v1/instances/\(id)").json["history"]?.items ?? []
            #expect(steps.map { $0["phase"] }.suffix(4) == ["stopped", "starting", "ready", "failed"])
            #expect(steps.last?.names == ["phase", "reason", "message", "time"])
            #expect(steps.last?["reason"] == "NoPermission")
            _ = try await daemon.send(.patch, "/api/v1/instances/\(id)", #"{"action":"start"}"#)
            try await daemon.waitFor("update", id, status: "running")
        }
    }

    @Test("PUT takes another URL, refuses the same, and DELETE ends it all")
    func replaceAndDelete() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4006))
            let path = "/api/v1/instances/\(id)"
            let same = try await daemon.send(.put, path, #"{"url":"\#(clientURL(4006))"}"#)
            #expect(same.status == 409)
            #expect(try same.json["error"] == "Instance URL conflict")
            let other = try await daemon.send(.put, path, #"{"url":"\#(clientURL(4007, "log=debug&mode=1"))"}"#)
            #expect(other.status == 200)
            #expect(try other.json["url"]?.stringValue == clientURL(4007, "log=debug&mode=1"))
            let gone = try await daemon.send(.delete, path)
            #expect(gone.status == 204)
            #expect(gone.text.isEmpty && gone.headers[.contentType] == nil)
            #expect(gone.headers[.accessControlAllowOrigin] == "*")
            #expect(try await daemon.send(.delete, path).status == 404)
            try await daemon.waitFor("delete", id, status: "stopped")
        }
    }

    @Test("a dry run answers as the real one would and leaves everything as it was")
    func dryRun() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4008), alias: "kept")
            let path = "/api/v1/instances/\(id)?dryRun=true"
            #expect(try await daemon.send(.patch, path, #"{"alias":"tried"}"#).json["alias"] == "tried")
            #expect(try await daemon.send(.put, path, #"{"url":"\#(clientURL(4009))"}"#).status == 200)
            #expect(try await daemon.send(.delete, path).status == 204)
            let created = try await daemon.send(
                .post,
                "/api/v1/instances?dryRun=true",
                #"{"url":"\#(clientURL(4010))"}"#
            )
            #expect(created.status == 201)
            let left = await daemon.reconciler.instances()
            #expect(left.map(\.labels.alias) == ["kept"])
            #expect(left.first?.url == clientURL(4008))
        }
    }

    @Test("a dry run names what the tunnel would run into, and only a dry run does")
    func findings() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4008), alias: "kept")
            let create = "/api/v1/instances?dryRun=true"
            let taken = try await daemon.send(.post, create, #"{"url":"\#(clientURL(4008))"}"#)
            #expect(try taken.findings == ["error tunnel the tunnel 'kept (\(id))' listens on this address"])
            let server = "server://0.0.0.0:0/127.0.0.1:1?mode=2&type=9"
            let findings = try await daemon.send(.post, create, #"{"url":"\#(server)"}"#).findings
            #expect(findings.contains { $0.hasPrefix("error transport unknown type '9'") })
            #expect(findings.contains { $0.hasPrefix("warning key is not set") })
            #expect(findings.contains { $0.hasPrefix("warning tls is off") })
            let files = "server://0.0.0.0:0/127.0.0.1:1?mode=2&tls=2&crt=/nowhere.crt&key=/nowhere.key"
            let first = try await daemon.send(.post, create, #"{"url":"\#(files)"}"#).findings.first
            #expect(first?.hasPrefix("error tls certificate /nowhere.crt cannot be read") == true)
            // Its own address is free for its next form.
            let next = #"{"url":"\#(clientURL(4008))&log=debug"}"#
            #expect(try await daemon.send(.put, "/api/v1/instances/\(id)?dryRun=true", next).findings == [])
            let real = try await daemon.send(.post, "/api/v1/instances", #"{"url":"\#(clientURL(4008))"}"#)
            #expect(try real.status == 201 && real.json["diagnostics"] == nil)
        }
    }

    @Test("a change made against a state that is gone answers 412")
    func staleETag() async throws {
        try await TestDaemon.run { daemon in
            let id = try await daemon.create(clientURL(4011))
            let path = "/api/v1/instances/\(id)"
            let tag = try #require(try await daemon.send(.get, path).headers[.eTag])
            let first = try await daemon.send(.patch, path, #"{"alias":"one"}"#, headers: [.ifMatch: tag])
            #expect(first.status == 200)
            #expect(first.headers[.eTag] != tag)
            #expect(try await daemon.send(.patch, path, #"{"alias":"two"}"#, headers: [.ifMatch: tag]).status == 412)
            #expect(await daemon.reconciler.instance(id)?.labels.alias == "one")
        }
    }

    @Test("a tunnel can be created from the manifest's keys; what is wrong with them is told in details")
    func spec() async throws {
        try await TestDaemon.run { daemon in
            let good = #"{"spec":{"role":"client","tunnel":"127.0.0.1:4012","target":"127.0.0.1:9","mode":"single"}}"#
            let created = try await daemon.send(.post, "/api/v1/instances", good)
            #expect(created.status == 201)
            #expect(try created.json["type"] == "client")
            let bad = #"{"spec":{"role":"client","tunel":"127.0.0.1:4012"}}"#
            let refused = try await daemon.send(.post, "/api/v1/instances", bad)
            #expect(refused.status == 400)
            #expect(try refused.json["details"]?.items.isEmpty == false)
        }
    }
}

extension Answer {
    /// `severity path message` of each finding of a dry run.
    fileprivate var findings: [String] {
        get throws {
            guard case .array(let all)? = try json["diagnostics"] else { return ["none"] }
            return all.map { one in
                ["severity", "path", "message"].compactMap { one[$0]?.stringValue }.joined(separator: " ")
            }
        }
    }
}
