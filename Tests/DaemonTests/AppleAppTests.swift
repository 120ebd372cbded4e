import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import TestSupport
import Testing

/// NodePass's app for Apple's systems as far as a master notices it: it polls, and decodes strictly.
struct AppleApp {
    enum Failure: Error, Hashable {
        case unauthorized
        /// What the app shows; "Unknown Error" where the body has no `message`.
        case refused(status: UInt, message: String)
    }

    private static let timeout = TimeAmount.seconds(5)

    let base: String
    var key: String

    func instances() async throws -> [AppleModels.Instance] {
        try JSONDecoder().decode([AppleModels.Instance].self, from: await call("GET", "instances"))
    }

    func info() async throws -> AppleModels.Info {
        try JSONDecoder().decode(AppleModels.Info.self, from: await call("GET", "info"))
    }

    func create(_ url: String, alias: String?) async throws -> AppleModels.Instance {
        let body = try JSONEncoder().encode(["url": url, "alias": alias].compactMapValues { $0 })
        return try JSONDecoder().decode(AppleModels.Instance.self, from: await call("POST", "instances", body))
    }

    /// A URL that it has already is no error to the app.
    func replace(_ id: String, _ url: String) async throws {
        do {
            let answer = try await call("PUT", "instances/\(id)", JSONEncoder().encode(["url": url]))
            _ = try JSONDecoder().decode(AppleModels.Instance.self, from: answer)
        } catch Failure.refused(409, _) {
        }
    }

    func patch(_ id: String, _ body: String) async throws {
        _ = try await call("PATCH", "instances/\(id)", Data(body.utf8))
    }

    func delete(_ id: String) async throws {
        _ = try await call("DELETE", "instances/\(id)")
    }

    private func call(_ method: String, _ path: String, _ body: Data? = nil) async throws -> Data {
        var request = HTTPClientRequest(url: base + "/" + path)
        request.method = .init(rawValue: method)
        request.headers = ["Content-Type": "application/json", "X-API-Key": key, "Connection": "close"]
        if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
        let answer = try await HTTPClient.shared.execute(request, timeout: Self.timeout)
        let data = Data(try await answer.body.collect(upTo: 1 << 20).readableBytesView)
        switch answer.status.code {
        case 200..<300: return data
        case 401: throw Failure.unauthorized
        default:
            let message = try? JSONDecoder().decode(AppleModels.Failure.self, from: data).message
            throw Failure.refused(status: answer.status.code, message: message ?? "Unknown Error")
        }
    }
}

@Suite("NodePass's app for Apple's systems", .timeLimit(.minutes(2)))
struct AppleAppTests {
    @Test("it lists, creates, names, binds, controls, replaces and deletes by polling alone")
    func life() async throws {
        let echo = try await EchoServer.start()
        let ports = try FreePorts.take(3)
        let daemon = try await Daemon.start(manifest: "version: 1\ntunnels: {}\n", listen: "127.0.0.1:\(ports[0])")
        let key = try #require(try await daemon.apiKey())
        let app = AppleApp(base: "http://127.0.0.1:\(ports[0])/api/v1", key: key)
        let info = try await app.info()
        #expect(info.os == "linux" && !info.ver.isEmpty && info.uptime != nil)
        #expect(try await app.instances().filter(\.isShown).isEmpty)

        var events = try await daemon.events().makeAsyncIterator()
        func polled(_ id: String, after condition: (EventView) -> Bool) async throws -> AppleModels.Instance? {
            _ = try await events.first { $0.instance?.id == id && condition($0) }
            return try await app.instances().first { $0.id == id }
        }

        let url = "client://:\(ports[1])/127.0.0.1:\(echo.port)?mode=1&lbs=0&block=123&anything=the user types"
        let created = try await app.create(url, alias: "Home")
        #expect(created.config?.hasPrefix("client://:\(ports[1])/") == true)
        let id = created.id
        let row = try await polled(id) { $0.instance?.phase == "ready" }
        #expect(row?.status == "running" && row?.alias == "Home" && row?.url == url)
        let address = try AppleModels.Address(try #require(row?.url))
        #expect(address.tunnelPort == "\(ports[1])" && address.targetHost == "127.0.0.1")
        let user = try await TestClient.connect(port: ports[1])
        try await user.send("hello")
        #expect(try await user.receiveText(5) == "hello")
        try await user.close()

        try await app.patch(id, #"{"alias":"Work"}"#)
        try await app.patch(id, #"{"meta":{"peer":{"alias":"p","sid":"s","type":"5"}}}"#)
        let bound = try await polled(id) { $0.instance?.alias == "Work" }
        #expect(bound?.alias == "Work" && bound?.meta?.peer.sid == "s" && bound?.meta?.tags.isEmpty == true)
        try await app.patch(id, #"{"action":"stop"}"#)
        #expect(try await polled(id) { $0.instance?.status == "stopped" }?.status == "stopped")
        try await app.patch(id, #"{"action":"start"}"#)
        #expect(try await polled(id) { $0.instance?.phase == "ready" }?.status == "running")
        try await app.replace(id, url)
        let other = "client://127.0.0.1:\(ports[2])/[::1]:\(echo.port)?mode=1"
        try await app.replace(id, other)
        let moved = try await polled(id) { $0.instance?.url == other && $0.instance?.status == "running" }
        #expect(moved?.url == other && (moved?.tcprx ?? 0) >= 5)
        #expect(try AppleModels.Address(other).targetHost == "[::1]")

        await #expect(throws: AppleApp.Failure.refused(status: 400, message: "Invalid URL scheme")) {
            _ = try await app.create("ftp://a:1/b:2", alias: nil)
        }
        await #expect(throws: AppleApp.Failure.refused(status: 404, message: "Instance not found")) {
            try await app.delete("00000000")
        }
        await #expect(throws: AppleApp.Failure.unauthorized) {
            _ = try await AppleApp(base: app.base, key: "wrong").instances()
        }
        try await app.delete(id)
        #expect(try await app.instances().filter(\.isShown).isEmpty)
        try await daemon.stop()
    }
}
