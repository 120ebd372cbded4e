import API
import Config
import FoundationEssentials
import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("The API's sockets", .timeLimit(.minutes(1)))
struct ListenerTests {
    /// Serves the daemon's API on a port of its own while `body` runs.
    func serve(
        _ daemon: TestDaemon,
        on address: APIListener.Address = .tcp(Endpoint(host: "127.0.0.1", port: 0)),
        credentials: ServerCredentials? = nil,
        limits: APIListener.Limits = APIListener.Limits(),
        _ body: @Sendable (Int) async throws -> Void
    ) async throws {
        let (opened, opening) = AsyncStream.makeStream(of: APIListener.Address.self)
        let listener = APIListener(
            address,
            application: daemon.application,
            credentials: credentials,
            limits: limits,
            group: MultiThreadedEventLoopGroup.singleton,
            logger: .silent,
            onReport: { if case .open(let address) = $0 { opening.yield(address) } },
            onShutdown: {}
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { opening.finish() }
                try await listener.run()
            }
            if let bound = await opened.first(where: { _ in true }) {
                if case .tcp(let endpoint) = bound {
                    try await body(Int(endpoint.port))
                } else {
                    try await body(0)
                }
                group.cancelAll()
            } else {
                try await group.waitForAll()
            }
        }
    }

    private func get(_ path: String, key: String, port: Int) async throws -> TestClient {
        let client = try await TestClient.connect(port: port)
        try await client.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nX-API-Key: \(key)\r\n\r\n")
        return client
    }

    private func read(_ client: TestClient, until end: String) async throws -> String {
        var text = ""
        while !text.hasSuffix(end) {
            let next = try await client.receiveText(1)
            if next.isEmpty { break }
            text += next
        }
        return text
    }

    @Test("a client that goes away frees its subscription")
    func leaving() async throws {
        try await TestDaemon.run { daemon in
            let before = daemon.hub.subscriberCount
            try await serve(daemon) { port in
                let client = try await get("/api/v1/events", key: daemon.identity.apiKey, port: port)
                _ = try await read(client, until: "\"logs\":\"\"}\n\n")
                #expect(daemon.hub.subscriberCount == before + 1)
                try await client.close()
                while daemon.hub.subscriberCount > before { await Task.yield() }
            }
        }
    }

    @Test("a port that is taken is told with the address and what to try")
    func taken() async throws {
        try await TestDaemon.run { daemon in
            try await serve(daemon) { port in
                let error = await #expect(throws: APIListener.Failure.self) {
                    try await serve(daemon, on: .tcp(Endpoint(host: "127.0.0.1", port: UInt16(port)))) { _ in }
                }
                #expect(
                    error?.description.hasPrefix("cannot listen on 127.0.0.1:\(port): Address already in use") == true
                )
            }
        }
    }

    @Test("a name without an address is waited for; a daemon that does not wait ends with the name")
    func unresolved() async throws {
        // Its label is too long for any name server to be asked.
        let host = String(repeating: "a", count: 64) + ".invalid"
        let address = APIListener.Address.tcp(Endpoint(host: host, port: 1))
        try await TestDaemon.run { daemon in
            let error = await #expect(throws: APIListener.Failure.self) {
                try await serve(daemon, on: address) { _ in }
            }
            let expected = "cannot listen on \(host):1: its name has no address"
            #expect(error?.description.hasPrefix(expected) == true)
            let (reports, reporting) = AsyncStream.makeStream(of: APIListener.Report.self)
            let listener = APIListener(
                address,
                application: daemon.application,
                group: MultiThreadedEventLoopGroup.singleton,
                logger: .silent,
                waits: true,
                onReport: { reporting.yield($0) },
                onShutdown: {}
            )
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    defer { reporting.finish() }
                    try await listener.run()
                }
                var isWaiting = false
                if case .waiting(_, let problem)? = await reports.first(where: { _ in true }) {
                    isWaiting = problem.hasPrefix(expected)
                }
                #expect(isWaiting)
                group.cancelAll()
                try await group.waitForAll()
            }
        }
    }

    @Test("what is no socket at the socket's path is named, and stays", arguments: ["file", "directory"])
    func wrongType(_ kind: String) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("nodepass.sock")
        if kind == "file" {
            try directory.write("mine", to: "nodepass.sock")
        } else {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        }
        try await TestDaemon.run { daemon in
            let error = await #expect(throws: APIListener.Failure.self) {
                try await serve(daemon, on: .socket(path)) { _ in }
            }
            #expect(error?.description.contains("\(path) is there and is no socket; move it away") == true)
        }
        #expect(FileManager.default.fileExists(atPath: path))
    }

    @Test("a dead daemon's socket file is replaced, a living daemon's is not")
    func socketFile() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("nodepass.sock")
        try await TestDaemon.run { daemon in
            // The group ends without closing it properly: the file stays, and nobody answers.
            let dead = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .bind(unixDomainSocketPath: path).get()
            try await dead.close()
            try await serve(daemon, on: .socket(path)) { _ in
                await #expect(throws: APIListener.Failure.self) {
                    try await serve(daemon, on: .socket(path)) { _ in }
                }
                // An answer shows that it lives on, and that it has taken in the connection that asked before: a server
                // that is stopped with one half taken in traps in NIO.
                let client = try await TestClient.connect(socketPath: path)
                try await client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                #expect(try await client.receiveText(15) == "HTTP/1.1 200 OK")
                try await client.close()
            }
        }
    }
}
