import Config
import FoundationEssentials
import HTTPTypes
import Reconciler
import Testing

@testable import API

@Suite("Labelled keys and their roles", .timeLimit(.minutes(1)))
struct RoleTests {
    /// What a key for reading may do; every other operation behind the key is for `admin`.
    private static let reading: Set = [
        "listInstances", "getInstance", "getInstanceLog", "getInstanceHistory", "getHistory", "getInfo", "getManifest",
        "getStatus", "getInstanceConnections",
        "plan", "getReconcile", "streamReconcile", "getReconcileLog", "metrics",
    ]

    private struct Route {
        let id: String
        let method: HTTPRequest.Method
        let path: String
    }

    /// Every operation that needs a key, from the document that is made of the routes.
    private static func routes(_ daemon: TestDaemon) async throws -> [Route] {
        let document = try await daemon.send(.get, "/api/v1/openapi.json").json
        guard case .object(let paths)? = document["paths"] else { return [] }
        return paths.flatMap { path -> [Route] in
            guard case .object(let operations) = path.value else { return [] }
            return operations.compactMap { operation -> Route? in
                guard let method = HTTPRequest.Method(operation.name.uppercased()),
                    let id = operation.value["operationId"]?.stringValue,
                    operation.value["responses"]?["401"] != nil
                else { return nil }
                let place = path.name.replacing("{id}", with: "0a0a0a0a").replacing("{label}", with: "nobody")
                return Route(id: id, method: method, path: place)
            }
        }
    }

    private static func isRefused(_ route: Route, _ key: String, _ daemon: TestDaemon) async throws -> Bool {
        let answer = try await daemon.exchange(route.method, route.path, nil, headers: [TestDaemon.key: key])
        #expect(answer.status != 401, "\(route.id)")
        return answer.status == 403 && (try? answer.json["code"]) == "role"
    }

    @Test("each route behind the key takes the roles that its operation allows, and no lower one")
    func everyRoute() async throws {
        try await TestDaemon.run { daemon in
            let keys = daemon.identity.keys
            let metrics = try keys.create(label: "prometheus", role: .metrics, expires: nil, now: Date()).key
            let read = try keys.create(label: "grafana", role: .read, expires: nil, now: Date()).key
            let routes = try await Self.routes(daemon)
            #expect(routes.count > 20 && Self.reading.isSubset(of: routes.map(\.id)))
            // A stream that is let in would not end.
            for route in routes where !route.id.hasPrefix("stream") {
                #expect(try await Self.isRefused(route, metrics, daemon) == (route.id != "metrics"), "\(route.id)")
                #expect(
                    try await Self.isRefused(route, read, daemon) == !Self.reading.contains(route.id),
                    "\(route.id)"
                )
            }
            let stream = Route(id: "", method: .get, path: "/api/v1/events")
            #expect(try await Self.isRefused(stream, read, daemon))
        }
    }

    @Test("a key for reading sees neither the API key nor the keys of tunnels")
    func secrets() async throws {
        try await TestDaemon.run { daemon in
            let read = try daemon.identity.keys.create(label: "g", role: .read, expires: nil, now: Date()).key
            let url = "client://s3cret-key@127.0.0.1:0/127.0.0.1:9?mode=1"
            let created = try await daemon.send(.post, "/api/v1/instances", #"{"url":"\#(url)"}"#)
            let id = try #require(try created.json["id"]?.stringValue)
            for path in ["/api/v1/instances", "/api/v1/instances/\(id)", "/api/v1/instances/********"] {
                let own = try await daemon.send(.get, path)
                let answer = try await daemon.send(.get, path, nil, headers: [TestDaemon.key: read])
                #expect(answer.status == 200)
                #expect(!answer.text.contains("s3cret-key") && !answer.text.contains(daemon.identity.apiKey))
                #expect(own.text.contains("s3cret-key") || own.text.contains(daemon.identity.apiKey))
            }
        }
    }

    @Test("a key is created, listed without itself, used, and revoked; its digest is all that is stored")
    func life() async throws {
        try await TestDaemon.run { daemon in
            let made = try await daemon.send(.post, "/api/v1/keys", #"{"label":"ci","role":"admin"}"#)
            #expect(made.status == 201)
            let key = try #require(try made.json["key"]?.stringValue)
            #expect(key.count == 40)
            let list = try await daemon.send(.get, "/api/v1/keys", nil, headers: [TestDaemon.key: key])
            #expect(list.status == 200 && !list.text.contains(key) && list.text.contains(#""label":"ci""#))
            #expect(try await daemon.send(.post, "/api/v1/keys", #"{"label":"ci","role":"read"}"#).status == 409)
            for body in [
                #"{"label":"a b","role":"read"}"#, #"{"label":"","role":"read"}"#, #"{"label":"x","role":"root"}"#,
            ] {
                #expect(try await daemon.send(.post, "/api/v1/keys", body).status == 400)
            }
            #expect(try await daemon.send(.delete, "/api/v1/keys/ci").status == 204)
            #expect(try await daemon.send(.delete, "/api/v1/keys/ci").status == 404)
            let gone = try await daemon.send(.get, "/api/v1/keys", nil, headers: [TestDaemon.key: key])
            #expect(gone.status == 401)
        }
    }

    @Test("a rotation with a grace time lets the old key work on until then")
    func grace() async throws {
        try await TestDaemon.run { daemon in
            let (old, start) = (daemon.identity.apiKey, Date())
            let rotated = try await daemon.send(
                .patch,
                "/api/v1/instances/********?grace=10m",
                #"{"action":"restart"}"#
            )
            #expect(rotated.status == 200 && daemon.identity.apiKey != old)
            #expect(try await daemon.send(.get, "/api/v1/keys", nil, headers: [TestDaemon.key: old]).status == 200)
            let keys = daemon.identity.keys
            #expect(keys.find(old, now: Date() + 601) == nil && keys.find(old, now: start + 599)?.role == .admin)
            try keys.revoke(APIKeyring.formerLabel, now: Date())
            #expect(try await daemon.send(.get, "/api/v1/keys", nil, headers: [TestDaemon.key: old]).status == 401)
        }
    }
}
