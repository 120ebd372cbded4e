import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import TestSupport
import Testing

/// The built binary as a process, on a manifest in its own directory; tests use its Unix socket.
///
/// Nothing polls: the daemon reports by sd_notify that it is ready, and everything later is an
/// event.
final class Daemon: Sendable {
    let directory: TemporaryDirectory
    private let process: RunningProcess
    private let client: HTTPClient

    var manifestPath: String { directory.path + "/tunnels.yaml" }
    var stateDirectory: String { directory.path + "/state" }
    private var socketPath: String { stateDirectory + "/nodepass.sock" }

    /// Starts the daemon on `manifest` and waits until its first pass is done.
    static func start(
        manifest: String,
        listen: String = "127.0.0.1:0",
        arguments: [String] = [],
        environment: [String: String] = [:],
        openFiles: Int? = nil
    ) async throws -> Daemon {
        let directory = try TemporaryDirectory()
        try manifest.write(toFile: directory.path + "/tunnels.yaml", atomically: true, encoding: .utf8)
        return try await start(
            in: directory,
            listen: listen,
            arguments: arguments,
            environment: environment,
            openFiles: openFiles
        )
    }

    /// Starts the daemon on what is in the directory already.
    ///
    /// `openFiles` limits how many files it may have open.
    static func start(
        in directory: TemporaryDirectory,
        listen: String = "127.0.0.1:0",
        arguments: [String] = [],
        environment: [String: String] = [:],
        openFiles: Int? = nil
    ) async throws -> Daemon {
        let notifications = try NotifySocket.bind(directory.path + "/notify.sock")
        let process = try RunningProcess(
            ["run", "-f", directory.path + "/tunnels.yaml", "--listen", listen]
                + ["--state-dir", directory.path + "/state"] + arguments,
            environment: environment.merging(["NOTIFY_SOCKET": directory.path + "/notify.sock"]) { $1 },
            openFiles: openFiles
        )
        let daemon = Daemon(directory: directory, process: process)
        try await notifications.waitForReady(or: process)
        return daemon
    }

    private init(directory: TemporaryDirectory, process: RunningProcess) {
        self.directory = directory
        self.process = process
        client = .shared
    }

    /// SIGTERM, and the exit code.
    @discardableResult
    func stop() async throws -> Int32 {
        process.signal(SIGTERM)
        return try await process.exitCode()
    }

    /// Waits for an end that was asked for already, and returns the exit code.
    func ended() async throws -> Int32 { try await process.exitCode() }

    func kill() async throws {
        process.signal(SIGKILL)
        _ = try await process.exitCode()
    }

    func signal(_ number: Int32) {
        process.signal(number)
    }

    /// What it has logged so far.
    var log: String {
        get throws { try process.output }
    }

    /// Where its API listens on TCP, as it has logged it: `127.0.0.1:9090`.
    var address: String {
        get throws {
            let started = try log.firstMatch(of: /Master started: ([0-9.:]+)/)
            return String(try #require(started?.output.1))
        }
    }

    var allocatedKilobytes: Int {
        get throws {
            let status = try String(contentsOfFile: "/proc/\(process.id)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
            return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
        }
    }

    /// Replaces the manifest as an editor does: a new file renamed over the old one, or the same
    /// one written over.
    func edit(_ manifest: String, atomically: Bool = true) throws {
        try manifest.write(toFile: manifestPath, atomically: atomically, encoding: .utf8)
    }

    // MARK: API

    struct Answer: Sendable {
        let status: UInt
        let body: Data

        func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
            try JSONDecoder.api.decode(Value.self, from: body)
        }

        var text: String { String(decoding: body, as: UTF8.self) }
    }

    @discardableResult
    func request(_ method: String, _ path: String, _ body: String? = nil) async throws -> Answer {
        var request = makeRequest(method, path, body)
        // A kept connection would lead to a daemon that has ended, when the next one has its
        // socket.
        request.headers.add(name: "connection", value: "close")
        let response = try await client.execute(request, timeout: .seconds(20))
        let buffer = try await response.body.collect(upTo: 64 << 20)
        return Answer(status: response.status.code, body: Data(buffer.readableBytesView))
    }

    private func makeRequest(_ method: String, _ path: String, _ body: String?) -> HTTPClientRequest {
        let host = socketPath.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        var request = HTTPClientRequest(url: "http+unix://\(host)\(path)")
        request.method = .init(rawValue: method)
        if let body { request.body = .bytes(ByteBuffer(string: body)) }
        return request
    }

    /// Every declared and created instance, without the API key's row.
    func instances() async throws -> [InstanceView] {
        try await request("GET", "/api/v1/instances").decode([InstanceView].self).filter { $0.id != "********" }
    }

    func instance(named name: String) async throws -> InstanceView? {
        try await instances().first { $0.name == name }
    }

    /// Waits on the event stream until the tunnel satisfies the condition.
    @discardableResult
    func tunnel(_ name: String, where condition: (InstanceView) -> Bool) async throws -> InstanceView {
        var events = try await events().makeAsyncIterator()
        let event = try await events.first { event in
            guard let instance = event.instance, instance.name == name else { return false }
            return condition(instance)
        }
        return try #require(event?.instance)
    }

    func apiKey() async throws -> String? {
        try await request("GET", "/api/v1/instances").decode([InstanceView].self).first { $0.id == "********" }?.url
    }

    /// The event stream from this moment on, where the first elements are the `initial` batch, or
    /// from after an event.
    func events(after id: Int64? = nil) async throws -> EventStream {
        let path = "/api/v1/events" + (id.map { "?lastEventId=\($0)" } ?? "")
        let response = try await client.execute(makeRequest("GET", path, nil), deadline: .distantFuture)
        return EventStream(body: response.body)
    }
}

extension JSONDecoder {
    /// Takes times as RFC 3339 without fractions, which is what certificates have.
    static var api: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return decoder
    }
}

/// The keys of an instance that tests look at.
struct InstanceView: Decodable, Sendable {
    let id: String
    let name: String?
    let status: String
    let phase: String?
    let reason: String?
    let message: String?
    let url: String
    let config: String
    let alias: String
    let meta: MetaView
    let override: OverrideView?
    let pool: Int
    let tcps: Int
    /// Nil in the row of the API key.
    let rejected: Int?
    let certificate: CertificateView?
    let tcprx: UInt64
    let tcptx: UInt64

    var port: Int {
        url.split(separator: "/").dropFirst().first.flatMap { Int($0.split(separator: ":").last ?? "") } ?? 0
    }
}

struct MetaView: Decodable, Sendable {
    let tags: [String: String]
}

struct OverrideView: Decodable, Sendable {
    let until: String?
}

struct CertificateView: Decodable, Sendable {
    let subject: String
    let notBefore: Date
    let notAfter: Date
    let fingerprint: String
    let expiresInDays: Int
    let warning: String?
}
