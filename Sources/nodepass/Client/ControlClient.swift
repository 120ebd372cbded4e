import API
import AsyncHTTPClient
import Config
import NIOCore
import NIOHTTP1

/// Talks to a running daemon: through its Unix socket, or to a server with its key.
struct ControlClient: Sendable {
    enum Target: Sendable {
        case socket(String)
        case server(RemoteServer)
    }

    /// The longest answer read: a list of every instance a daemon accepts.
    private static let answerLimitBytes = 64 << 20
    private static let timeout = TimeAmount.seconds(30)

    private let target: Target

    init(_ target: Target) {
        self.target = target
    }

    /// Whether the daemon is on this machine and sees the same files.
    var isLocal: Bool {
        if case .socket = target { return true }
        return false
    }

    /// An answer, read as what the API's table of that view says.
    func get<View: WireView>(_ path: String, as view: View.Type) async throws -> WireObject<View> {
        WireObject(try json(try await send(.GET, path)))
    }

    /// One tunnel with its details.
    func instance(_ id: String, showsSecrets: Bool = false) async throws -> InstanceRow {
        InstanceRow(try json(try await send(.GET, "/instances/\(id)" + (showsSecrets ? "" : "?masked=1"))))
    }

    /// All tunnels, without the API key's row.
    func instances(showsSecrets: Bool = false) async throws -> [InstanceRow] {
        try json(try await send(.GET, "/instances" + (showsSecrets ? "" : "?masked=1"))).items.map(InstanceRow.init)
            .filter { !$0.isKey }
    }

    /// How far the daemon has come.
    func reconcile() async throws -> WireObject<ReconcileView> {
        try await get("/reconcile", as: ReconcileView.self)
    }

    /// Whether everything is served.
    func status() async throws -> WireObject<StatusView> {
        try await get("/status", as: StatusView.self)
    }

    /// The body of an answer that is not JSON.
    func text(_ path: String) async throws -> String {
        String(decoding: try await send(.GET, path), as: UTF8.self)
    }

    func patch(_ path: String, _ body: JSONValue) async throws -> InstanceRow {
        InstanceRow(try json(try await send(.PATCH, path, body: body.compactText)))
    }

    func forgetPeer(_ id: String, query: String) async throws -> InstanceRow {
        InstanceRow(try json(try await send(.POST, "/instances/\(id)/forget-peer" + query)))
    }

    func create(_ body: JSONValue) async throws -> InstanceRow {
        InstanceRow(try json(try await send(.POST, "/instances", body: body.compactText)))
    }

    /// `patience` is how much longer than an ordinary request this one may take.
    func post<View: WireView>(
        _ path: String,
        _ body: String? = nil,
        patience: Duration = .zero,
        as view: View.Type
    ) async throws -> WireObject<View> {
        WireObject(try json(try await send(.POST, path, body: body, patience: patience)))
    }

    func delete(_ path: String) async throws {
        _ = try await send(.DELETE, path)
    }

    /// A stream of server-sent events, until the daemon ends it.
    func stream(_ path: String) async throws -> ServerSentEvents {
        let response: HTTPClientResponse
        let request = try await request(.GET, path)
        let client = try http
        do {
            response = try await client.execute(request, deadline: .distantFuture)
        } catch {
            throw await unreachable(error)
        }
        guard response.status == .ok else {
            let body = try? await response.body.collect(upTo: Self.answerLimitBytes)
            throw refusal(response.status.code, Array(body?.readableBytesView ?? []))
        }
        return ServerSentEvents(chunks: response.body, place: place)
    }

    /// `path` begins below `/v1`; a refusal is thrown as its message and its details.
    private func send(
        _ method: HTTPMethod,
        _ path: String,
        body: String? = nil,
        patience: Duration = .zero
    ) async throws -> [UInt8] {
        let request = try await request(method, path, body: body)
        let (status, bytes) = try await exchange(request, timeout: Self.timeout + TimeAmount(patience))
        guard (200..<300).contains(status) else { throw refusal(status, bytes) }
        return bytes
    }

    private func request(
        _ method: HTTPMethod,
        _ path: String,
        body: String? = nil
    ) async throws -> HTTPClientRequest {
        var request = HTTPClientRequest(url: try await base() + "/v1" + path)
        request.method = method
        if case .server(let server) = target, !server.key.isEmpty {
            request.headers.add(name: "X-API-Key", value: server.key)
        }
        if let body { request.body = .bytes(ByteBuffer(string: body)) }
        return request
    }

    /// The message of a refusal and its details.
    private func refusal(_ status: UInt, _ bytes: [UInt8]) -> CommandFailure {
        guard let answer = try? JSONParser.parse(bytes), answer["error"] != nil else {
            let text = String(decoding: bytes.prefix(512), as: UTF8.self)
            if case .server(let server) = target, let failure = server.foreignAnswer(status, text) { return failure }
            return CommandFailure(message: "\(place) answers: HTTP \(status)\(advice(status))")
        }
        let error = WireObject<ErrorView>(answer)
        let details = (error.details ?? []).map { "\n" + DiagnosticText.line($0) }.joined()
        // What the daemon says needs no introduction where there is one daemon only.
        let words = Self.withOptions(error.error)
        let text = isLocal ? words : "\(place) answers: \(words)"
        return CommandFailure(message: "\(text)\(advice(status))\(details)")
    }

    /// A message about a parameter of a request, as one about the option that was typed.
    private static func withOptions(_ message: String) -> String {
        message.hasPrefix("ttl: ") ? "--for: " + message.dropFirst(5) : message
    }

    private func json(_ bytes: [UInt8]) throws(CommandFailure) -> JSONValue {
        guard let value = try? JSONParser.parse(bytes) else {
            throw CommandFailure(message: "\(place) did not answer with JSON; is the prefix right?")
        }
        return value
    }

    private func exchange(
        _ request: HTTPClientRequest,
        timeout: TimeAmount
    ) async throws -> (status: UInt, bytes: [UInt8]) {
        let client = try http
        do {
            let response = try await client.execute(request, timeout: timeout)
            let body = try await response.body.collect(upTo: Self.answerLimitBytes)
            return (response.status.code, Array(body.readableBytesView))
        } catch {
            throw await unreachable(error)
        }
    }

    private var http: HTTPClient {
        get throws(CommandFailure) {
            switch target {
            case .socket: try ServerTrust.system.client()
            case .server(let server): try server.trust.client()
            }
        }
    }

    private func base() async throws(CommandFailure) -> String {
        switch target {
        case .socket(let path):
            "http+unix://" + PercentCoding.encode(path, keeping: "-._") + APIApplication.defaultPrefix
        case .server(let server): try await server.url()
        }
    }

    private var place: String {
        switch target {
        case .socket(let path): "the daemon at \(path)"
        case .server(let server): server.name
        }
    }

    private func unreachable(_ error: any Error) async -> CommandFailure {
        switch target {
        case .socket(let path): CommandFailure(message: ControlSocket.problem(at: path, error))
        case .server(let server): await server.failure(error)
        }
    }

    private func advice(_ status: UInt) -> String {
        switch status {
        case 300..<400: "; a redirect is not followed: give --server the URL that it leads to"
        case 401: "; give the key with --api-key or NODEPASS_API_KEY"
        default: ""
        }
    }
}
