import API
import AsyncHTTPClient
import Config
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

/// Talks to a running daemon: through its Unix socket, or to a server with its key.
struct ControlClient: Sendable {
    enum Target: Sendable {
        case socket(String)
        /// Scheme, host, port and prefix.
        case server(String, key: String)
    }

    /// The longest answer read: a list of every instance a daemon accepts.
    private static let answerLimitBytes = 64 << 20
    private static let timeout = TimeAmount.seconds(30)

    /// Never follows a redirect: the key is for the server that the user named.
    private static let http = HTTPClient(
        eventLoopGroupProvider: .singleton,
        configuration: HTTPClient.Configuration(redirectConfiguration: .disallow)
    )

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
    func instance(_ id: String) async throws -> InstanceRow {
        InstanceRow(try json(try await send(.GET, "/instances/\(id)")))
    }

    /// All tunnels, without the API key's row.
    func instances() async throws -> [InstanceRow] {
        try json(try await send(.GET, "/instances")).items.map(InstanceRow.init).filter { !$0.isKey }
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
        do {
            response = try await Self.http.execute(request(.GET, path), deadline: .distantFuture)
        } catch {
            throw CommandFailure(message: unreachable(error))
        }
        guard response.status == .ok else {
            let body = try? await response.body.collect(upTo: Self.answerLimitBytes)
            throw refusal(response.status.code, try? JSONParser.parse(Array(body?.readableBytesView ?? [])))
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
        let request = request(method, path, body: body)
        let (status, bytes) = try await exchange(request, timeout: Self.timeout + TimeAmount(patience))
        guard (200..<300).contains(status) else { throw refusal(status, try? JSONParser.parse(bytes)) }
        return bytes
    }

    private func request(_ method: HTTPMethod, _ path: String, body: String? = nil) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: base + "/v1" + path)
        request.method = method
        if case .server(_, let key) = target, !key.isEmpty { request.headers.add(name: "X-API-Key", value: key) }
        if let body { request.body = .bytes(ByteBuffer(string: body)) }
        return request
    }

    /// The message of a refusal and its details.
    private func refusal(_ status: UInt, _ answer: JSONValue?) -> CommandFailure {
        let error = answer.map { WireObject<ErrorView>($0) }
        let text = error?.error ?? ""
        let details = (error?.details ?? []).map { "\n" + DiagnosticText.line($0) }.joined()
        let problem = text.isEmpty ? "HTTP \(status)" : text
        return CommandFailure(message: "\(place) answers: \(problem)\(advice(status))\(details)")
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
        do {
            let response = try await Self.http.execute(request, timeout: timeout)
            let body = try await response.body.collect(upTo: Self.answerLimitBytes)
            return (response.status.code, Array(body.readableBytesView))
        } catch {
            throw CommandFailure(message: unreachable(error))
        }
    }

    private var base: String {
        switch target {
        case .socket(let path):
            "http+unix://" + PercentCoding.encode(path, keeping: "-._") + APIApplication.defaultPrefix
        case .server(let url, _): Self.lookUpURL(url.hasSuffix("/") ? String(url.dropLast()) : url)
        }
    }

    /// The URL with its host as name servers know it.
    static func lookUpURL(_ url: String) -> String {
        guard let start = url.firstRange(of: "://")?.upperBound else { return url }
        let host = url[start...].prefix { !":/?#[".contains($0) }
        guard let ascii = try? HostName.ascii(String(host)) else { return url }
        return url[..<start] + ascii + url[host.endIndex...]
    }

    private var place: String {
        switch target {
        case .socket(let path): "the daemon at \(path)"
        case .server(let url, _): url
        }
    }

    private func unreachable(_ error: any Error) -> String {
        switch target {
        case .socket(let path) where access(path, F_OK) != 0:
            "there is no daemon at \(path): start one with `nodepass run`, "
                + "or give its place with --state-dir or --server"
        case .socket(let path):
            "no daemon answers at \(path) (\(Self.words(error))): is it running, and may this user open the socket?"
        case .server(let url, _):
            "\(url) cannot be reached (\(Self.words(error))): check scheme, host, port and prefix"
        }
    }

    /// The cause alone, where the libraries wrap it in names of their own.
    private static func words(_ error: any Error) -> String {
        switch error {
        case let error as IOError: String(cString: strerror(error.errnoCode))
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { words($0.error) } ?? "no address answers"
        case let error as HTTPClientError where [.emptyScheme, .invalidURL, .emptyHost].contains(error):
            "it is not of the form http://HOST:PORT/PREFIX"
        case is HTTPClientError: "\(error)".replacing("HTTPClientError.", with: "")
        default: "\(error)"
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
