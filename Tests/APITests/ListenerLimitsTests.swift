import API
import Config
import NIOCore
import TestSupport
import Testing
import Tunnel

/// What clients that are slow, greedy or silent get.
extension ListenerTests {
    private static let head = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"

    private func limits(_ edit: (inout APIListener.Limits) -> Void) -> APIListener.Limits {
        var limits = APIListener.Limits()
        edit(&limits)
        return limits
    }

    /// Sends byte after byte of a header field for as long as somebody takes it, fewer than a head may have.
    private func drip(_ client: TestClient) async {
        for _ in 0..<APILimits.headerBytes / 2 where (try? await client.send("x")) == nil { return }
    }

    @Test("a head that never ends is cut off, however steadily its bytes come")
    func slowHead() async throws {
        try await TestDaemon.run { daemon in
            try await serve(daemon, limits: limits { $0.idle = .milliseconds(200) }) { port in
                let client = try await TestClient.connect(port: port)
                try await client.send(Self.head + "X-Slow: ")
                async let dripping: Void = drip(client)
                let answer = try await client.receiveAll()
                #expect(answer.readableBytes == 0)
                await dripping
            }
        }
    }

    @Test("a connection that asks for nothing more is closed")
    func silence() async throws {
        try await TestDaemon.run { daemon in
            try await serve(daemon, limits: limits { $0.idle = .seconds(2) }) { port in
                let client = try await TestClient.connect(port: port)
                try await client.send(Self.head + "\r\n")
                let answer = String(buffer: try await client.receiveAll())
                #expect(answer.hasPrefix("HTTP/1.1 200 OK") && answer.hasSuffix("ok\n"))
            }
        }
    }

    @Test("a handshake that does not come is waited for no longer than its deadline")
    func slowHandshake() async throws {
        let credentials = try ServerCredentials(.selfSigned, for: .web)
        try await TestDaemon.run { daemon in
            let limits = limits { $0.handshake = .milliseconds(200) }
            try await serve(daemon, credentials: credentials, limits: limits) { port in
                let client = try await TestClient.connect(port: port)
                try await client.send(ByteBuffer(bytes: [0x16, 0x03, 0x01]))
                let answer = try await client.receiveAll()
                #expect(answer.readableBytes == 0)
            }
        }
    }

    @Test("over the limit connections wait until another one ends")
    func connections() async throws {
        try await TestDaemon.run { daemon in
            try await serve(daemon, limits: limits { $0.connections = 2 }) { port in
                let first = try await TestClient.connect(port: port)
                let second = try await TestClient.connect(port: port)
                for client in [first, second] {
                    try await client.send(Self.head + "\r\n")
                    _ = try await client.receive(15)
                }
                let third = try await TestClient.connect(port: port)
                try await third.send(Self.head + "\r\n")
                try await second.send(Self.head + "\r\n")
                _ = try await second.receive(15)
                try await first.close()
                let served = try await third.receiveText(15)
                #expect(served == "HTTP/1.1 200 OK")
                try await third.close()
                try await second.close()
            }
        }
    }

    @Test("a head over the limit is refused")
    func largeHead() async throws {
        try await TestDaemon.run { daemon in
            try await serve(daemon) { port in
                let client = try await TestClient.connect(port: port)
                try await client.send(Self.head + "X-Large: " + String(repeating: "x", count: 17_000))
                let answer = String(buffer: try await client.receiveAll())
                #expect(answer.hasPrefix("HTTP/1.1 400 Bad Request"))
            }
        }
    }
}
