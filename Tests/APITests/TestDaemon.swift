import API
import Config
import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOPosix
import Reconciler
import TestSupport
import Testing
import Tunnel

/// The API over a real reconciler, with a host that needs no sockets and a store of its own.
struct TestDaemon: Sendable {
    let identity: DaemonIdentity
    let hub: EventHub
    let host: FakeHost
    let reconciler: TunnelReconciler
    /// Samples when it is told to.
    let history: HistoryRecorder
    let application: APIApplication
    let client: any TestClientProtocol
    /// Everything the world was told since the start.
    let events: EventSubscription

    /// Runs `body` against a daemon that has finished its first pass.
    static func run(
        manifest: String? = nil,
        defaults: MasterDefaults = MasterDefaults(),
        prefix: String = "/api",
        readURL: APIApplication.Parts.URLReader? = nil,
        clock: any Clock<Duration> = ContinuousClock(),
        now: @escaping @Sendable () -> Date = { Date() },
        _ body: @Sendable @escaping (TestDaemon) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory()
        let store = try StateStore.open(directory: directory.file("state"))
        let identity = try DaemonIdentity(store: store)
        let reader = ManifestReader(environment: [:], workingDirectory: directory.path)
        let parts = try TestReconciler(
            store: store,
            settings: ReconcilerSettings(
                defaults: defaults,
                expectsManifest: manifest != nil,
                clock: clock,
                now: now,
                logger: .silent
            ),
            render: EventView.payload
        )
        let (reconciler, host, hub) = (parts.reconciler, parts.host, parts.streams.instances)
        if let manifest { await reconciler.declare(reader.read(text: manifest, file: "tunnels.yaml")) }
        let events = try hub.subscribe()
        let application = APIApplication(
            prefix: prefix,
            parts: APIApplication.Parts(
                reconciler: reconciler,
                identity: identity,
                events: hub,
                manifestReader: reader,
                facts: DaemonFacts(name: "127.0.0.1"),
                group: MultiThreadedEventLoopGroup.singleton,
                descriptors: .ample,
                probe: TargetProbe(group: MultiThreadedEventLoopGroup.singleton),
                readURL: readURL
            )
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await reconciler.run() }
            for await _ in reconciler.readiness {}
            try await Application(responder: application.responder()).test(.router) { client in
                try await body(
                    TestDaemon(
                        identity: identity,
                        hub: hub,
                        host: host,
                        reconciler: reconciler,
                        history: HistoryRecorder(store: store, host: host, logger: .silent),
                        application: application,
                        client: client,
                        events: events
                    )
                )
            }
            group.cancelAll()
        }
        _ = directory
    }

    /// A request with the key, below `/api/v1` unless the path begins there itself.
    func send(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ body: String? = nil,
        headers: HTTPFields = [:]
    ) async throws -> Answer {
        var headers = headers
        if headers[Self.key] == nil { headers[Self.key] = identity.apiKey }
        return try await sendPlain(method, path, body, headers: headers)
    }

    /// The same without the key.
    ///
    /// Whatever comes of it has to be as the daemon's own document says.
    func sendPlain(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ body: String? = nil,
        headers: HTTPFields = [:]
    ) async throws -> Answer {
        let answer = try await exchange(method, path, body, headers: headers)
        let exchange = APIDocument.Exchange(method: method, path: path, body: body, answer: answer)
        for problem in try await document().problems(exchange) {
            Issue.record("openapi.json and \(method) \(path) differ: \(problem)")
        }
        return answer
    }

    /// What the daemon says of itself.
    func document() async throws -> APIDocument {
        try await APIDocument.of(application.prefix) {
            try await exchange(.get, application.prefix + "/v1/openapi.json", nil, headers: [:]).json
        }
    }

    /// The same, for requests that are looser than the document and answered all the same, as NodePass does.
    func exchange(
        _ method: HTTPRequest.Method,
        _ path: String,
        _ body: String?,
        headers: HTTPFields
    ) async throws -> Answer {
        let response = try await client.executeRequest(
            uri: path,
            method: method,
            headers: headers,
            body: body.map { ByteBuffer(string: $0) }
        )
        return Answer(status: response.status.code, headers: response.headers, text: String(buffer: response.body))
    }

    func create(_ url: String, alias: String = "") async throws -> String {
        let answer = try await send(.post, "/api/v1/instances", #"{"url":"\#(url)","alias":"\#(alias)"}"#)
        return try answer.json["id"]?.stringValue ?? ""
    }

    /// Waits until an event of this type tells this status of the instance.
    func waitFor(_ type: String, _ id: String, status: String) async throws {
        for try await event in events {
            let value = try JSONParser.parse(Array(event.payload.utf8))
            guard value["type"]?.stringValue == type, value["instance"]?["id"]?.stringValue == id else { continue }
            if value["instance"]?["status"]?.stringValue == status { return }
        }
    }

    static let key = HTTPField.Name("X-API-Key") ?? .authorization
}

struct Answer: Sendable {
    let status: Int
    let headers: HTTPFields
    let text: String

    var json: JSONValue {
        get throws { try JSONParser.parse(Array(text.utf8)) }
    }
}

extension JSONValue {
    var names: [String] {
        guard case .object(let members) = self else { return [] }
        return members.map(\.name)
    }
}

/// A single-end client on a port nobody really binds.
func clientURL(_ port: Int, _ query: String = "mode=1") -> String {
    "client://127.0.0.1:\(port)/127.0.0.1:9?\(query)"
}
