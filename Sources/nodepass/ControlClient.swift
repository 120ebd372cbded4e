import API
import AsyncHTTPClient
import Config
import NIOCore
import NIOHTTP1

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

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

    private let target: Target

    init(_ target: Target) {
        self.target = target
    }

    func get(_ path: String) async throws -> JSONValue {
        try await send(.GET, path)
    }

    func patch(_ path: String, _ body: JSONValue) async throws -> JSONValue {
        try await send(.PATCH, path, body: body)
    }

    /// `path` begins below `/v1`; an answer that is no success is thrown as its message.
    private func send(_ method: HTTPMethod, _ path: String, body: JSONValue? = nil) async throws -> JSONValue {
        var request = HTTPClientRequest(url: base + "/v1" + path)
        request.method = method
        if case .server(_, let key) = target, !key.isEmpty { request.headers.add(name: "X-API-Key", value: key) }
        if let body { request.body = .bytes(ByteBuffer(string: body.compactText)) }
        let (status, bytes) = try await exchange(request)
        let answer = try? JSONParser.parse(bytes)
        guard (200..<300).contains(status) else {
            let text = answer?["error"]?.stringValue ?? "HTTP \(status)"
            throw CommandFailure(message: "\(place) answers: \(text)\(advice(status))")
        }
        guard let answer else {
            throw CommandFailure(message: "\(place) answers with something that is no JSON; is its prefix right?")
        }
        return answer
    }

    private func exchange(_ request: HTTPClientRequest) async throws -> (status: UInt, bytes: [UInt8]) {
        do {
            let response = try await HTTPClient.shared.execute(request, timeout: Self.timeout)
            let body = try await response.body.collect(upTo: Self.answerLimitBytes)
            return (response.status.code, Array(body.readableBytesView))
        } catch {
            throw CommandFailure(message: unreachable(error))
        }
    }

    private var base: String {
        switch target {
        case .socket(let path): "http+unix://" + Self.hostEscaped(path) + APIApplication.defaultPrefix
        case .server(let url, _): url.hasSuffix("/") ? String(url.dropLast()) : url
        }
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
            "no daemon has its socket at \(path): start one with `nodepass run`, "
                + "or say where it is with --state-dir or --server"
        case .socket(let path):
            "no daemon answers at \(path) (\(error)): is it running, and may this user open its socket?"
        case .server(let url, _):
            "\(url) can not be reached (\(error)): check scheme, host, port and prefix"
        }
    }

    private func advice(_ status: UInt) -> String {
        status == 401 ? "; give it with --api-key or NODEPASS_API_KEY" : ""
    }

    /// A path as the host of a URL: everything but letters, digits, `-`, `.` and `_` is escaped.
    private static func hostEscaped(_ path: String) -> String {
        path.utf8.map { byte in
            let scalar = Unicode.Scalar(byte)
            if scalar.properties.isAlphabetic && byte < 0x80 || "0123456789-._".unicodeScalars.contains(scalar) {
                return String(Character(scalar))
            }
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.count == 1 ? "0" : "") + digits
        }.joined()
    }
}
