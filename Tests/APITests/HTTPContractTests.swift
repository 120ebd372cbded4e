import API
import Config
import HTTPTypes
import Reconciler
import Testing

@Suite("What every answer of the API keeps to", .timeLimit(.minutes(1)))
struct HTTPContractTests {
    @Test("without a key, with a wrong one, with a right one in either place")
    func authentication() async throws {
        try await TestDaemon.run { daemon in
            let path = "/api/v1/instances"
            let none = try await daemon.sendPlain(.get, path)
            #expect(none.status == 401)
            #expect(try none.json["error"] == "Unauthorized: API key required")
            let wrong = try await daemon.sendPlain(.get, path, headers: [TestDaemon.key: "wrong"])
            #expect(wrong.status == 401)
            #expect(try wrong.json["error"] == "Unauthorized: Invalid API key")
            #expect(wrong.headers[.accessControlAllowOrigin] == "*")
            let bearer = try await daemon.sendPlain(
                .get,
                path,
                headers: [.authorization: "Bearer \(daemon.identity.apiKey)"]
            )
            #expect(bearer.status == 200)
        }
    }

    @Test("guessing is slowed down, but a right key is always let through")
    func guessing() async throws {
        try await TestDaemon.run { daemon in
            for _ in 0..<BadKeyCounter.allowed {
                let answer = try await daemon.sendPlain(.get, "/api/v1/info", headers: [TestDaemon.key: "guess"])
                #expect(answer.status == 401)
            }
            let held = try await daemon.sendPlain(.get, "/api/v1/info", headers: [TestDaemon.key: "guess"])
            #expect(held.status == 429)
            #expect(held.headers[.retryAfter].flatMap { Int($0) }.map { (1...60).contains($0) } == true)
            #expect(try await daemon.send(.get, "/api/v1/instances").status == 200)
        }
    }

    @Test("a preflight needs no key and has no body", arguments: ["instances", "instances/00000000", "events", "info"])
    func preflight(_ path: String) async throws {
        try await TestDaemon.run { daemon in
            let answer = try await daemon.sendPlain(.options, "/api/v1/\(path)")
            #expect(answer.status == 200)
            #expect(answer.text.isEmpty && answer.headers[.contentLength] == "0")
            #expect(answer.headers[.accessControlAllowOrigin] == "*")
            #expect(answer.headers[.accessControlAllowMethods] == "GET, PATCH, POST, PUT, DELETE, OPTIONS")
            let names = "Content-Type, Authorization, X-API-Key, Cache-Control"
            #expect(answer.headers[.accessControlAllowHeaders] == names)
            let asked = try await daemon.sendPlain(
                .options,
                "/api/v1/\(path)",
                headers: [.accessControlRequestHeaders: "x-api-key,if-match, last-event-id"]
            )
            #expect(asked.headers[.accessControlAllowHeaders] == names + ", If-Match, Last-Event-ID")
        }
    }

    @Test(
        "a path that no route has is answered as Go answers it, with the CORS fields",
        arguments: [
            "/nope", "/api/v1/nope", "/api/v1", "/api/v1/info/", "//api/v1/info", "/v1/instances",
            "/api/v1/instances/a/b",
        ]
    )
    func unrouted(_ path: String) async throws {
        try await TestDaemon.run { daemon in
            let answer = try await daemon.sendPlain(.get, path)
            #expect(answer.status == 404)
            #expect(answer.text == "404 page not found\n")
            #expect(answer.headers[.contentType] == "text/plain; charset=utf-8")
            #expect(answer.headers[.xContentTypeOptions] == "nosniff")
            #expect(answer.headers[.accessControlAllowOrigin] == "*")
        }
    }

    @Test(
        "the prefix is cut as NodePass cuts it",
        arguments: [
            ("", "/api"), ("/", "/api"), ("/custom/path/", "/custom/path"), ("admin", "/admin"),
        ]
    )
    func prefix(_ given: String, _ served: String) async throws {
        try await TestDaemon.run(prefix: given) { daemon in
            let answer = try await daemon.send(.get, served + "/v1/instances")
            #expect(answer.status == 200)
        }
    }

    @Test("a method that no route has is a 405 as JSON", arguments: ["QUERY", "MKCOL", "TRACE"])
    func otherMethod(_ name: String) async throws {
        try await TestDaemon.run { daemon in
            let method = try #require(HTTPRequest.Method(name))
            let answer = try await daemon.send(method, "/api/v1/instances")
            #expect(answer.status == 405)
            #expect(try answer.json["error"] == "Method not allowed")
        }
    }

    @Test("a HEAD to a route is a 405 without a body")
    func head() async throws {
        try await TestDaemon.run { daemon in
            let answer = try await daemon.send(.head, "/api/v1/instances")
            #expect(answer.status == 405)
            #expect(answer.text.isEmpty)
        }
    }

    @Test("a body over the limit is a 413 as JSON")
    func tooLarge() async throws {
        try await TestDaemon.run { daemon in
            let body = String(repeating: " ", count: APILimits.bodyBytes + 1)
            let answer = try await daemon.send(.post, "/api/v1/instances", body)
            #expect(answer.status == 413)
            #expect(try answer.json["code"] == "body-too-large")
        }
    }

    @Test("other changes to the key's row change nothing")
    func keyRow() async throws {
        try await TestDaemon.run { daemon in
            let key = daemon.identity.apiKey
            let answer = try await daemon.send(.patch, "/api/v1/instances/********", #"{"action":"stop","alias":"x"}"#)
            #expect(answer.status == 200)
            #expect(try answer.json["url"]?.stringValue == key)
        }
    }

    @Test(
        "tcping answers 200 whatever the target is",
        arguments: [
            ("nonsense", "dial tcp: address nonsense: missing port in address"),
            ("[::1]:1", "dial tcp [::1]:1: connect: connection refused"),
            ("%5B::1%5D:1", "dial tcp [::1]:1: connect: connection refused"),
        ]
    )
    func ping(_ target: String, _ problem: String) async throws {
        try await TestDaemon.run { daemon in
            let answer = try await daemon.send(.get, "/api/v1/tcping?target=\(target)")
            #expect(answer.status == 200)
            let json = try answer.json
            #expect(json.names == ["target", "connected", "latency", "error"])
            #expect(json["connected"] == false)
            #expect(json["error"]?.stringValue == problem)
        }
    }

    @Test(
        "probes and documentation need no key",
        arguments: [
            ("/healthz", "text/plain; charset=utf-8"), ("/", "text/html; charset=utf-8"),
            ("/api/v1/docs", "text/html; charset=utf-8"), ("/api/v1/openapi.json", "application/json"),
            ("/docs/docs.js", "text/javascript; charset=utf-8"),
            ("/dashboard/dashboard.js", "text/javascript; charset=utf-8"),
            ("/shared/style.css", "text/css; charset=utf-8"),
        ]
    )
    func open(_ path: String, _ type: String) async throws {
        try await TestDaemon.run { daemon in
            let answer = try await daemon.sendPlain(.get, path)
            #expect(answer.status == 200)
            #expect(answer.headers[.contentType] == type)
        }
    }
}
