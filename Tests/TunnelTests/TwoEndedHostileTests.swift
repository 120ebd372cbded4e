import Config
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Tunnel

extension TwoEnded {
    /// What a stranger sends on a tunnel's port that speaks HTTP, while a client of ours has the tunnel.
    @Suite("Strangers on links over WebSocket, HTTP/2 and QUIC")
    struct HostileTests {
        /// Runs a tunnel, gives the closure its port, and expects that the tunnel has noticed nothing.
        private func withTunnel(
            _ transport: PoolTransport,
            tls: TLSMode? = nil,
            max: Int = 16,
            environment: TunnelEnvironment = .brisk,
            _ body: @Sendable (TunnelEngine, Int) async throws -> Void
        ) async throws {
            let target = try await EchoServer.start()
            var made = try TwoEnds(TunnelWay(.reverse, transport), to: target.port, tls: tls)
            made.server.pool.max = max
            let ends = made
            try await withTwoEnds(ends, environment: environment) { engine, _ in
                let user = try await TestClient.connect(port: ends.port)
                #expect(try await user.echo("hello") == "hello")
                try await engine.wait(TwoEnds.serverID, for: "idle links") { $0.poolIdle == 4 }
                try await body(engine, Int(ends.server.tunnel.port))
                #expect(try await user.echo("still here") == "still here")
                #expect(try await TestClient.echo("and new", port: ends.port) == "and new")
                #expect(engine.snapshot().values.allSatisfy { $0.phase == .ready })
                #expect(engine.snapshot()[TwoEnds.serverID]?.transitions.count { $0.phase == .ready } == 1)
                try await user.close()
            }
        }

        // MARK: WebSocket

        private static let upgrade = WebSocketUpgrade().request(path: "/any/path?at=all", host: "localhost")

        @Test(
            "a WebSocket that breaks a rule, or has no proof, ends alone",
            arguments: [
                [0x82, 1, 65], [0x81, 0x80, 0, 0, 0, 0], [0xF2, 0x80, 0, 0, 0, 0],
                [0x82, 0xFF, 0xFF] + Array(repeating: 1, count: 12),
                [0x82, 0x99, 0, 0, 0, 0] + Array(repeating: 2, count: 25), [0x88, 0x80, 0, 0, 0, 0],
            ] as [[UInt8]],
            [nil, .selfSigned] as [TLSMode?]
        )
        func webSocket(_ bytes: [UInt8], _ tls: TLSMode?) async throws {
            try await withTunnel(.websocket, tls: tls) { _, port in
                let stranger = try await ReferencePeer.stranger(port: port, tls: tls != nil)
                try await stranger.write(Self.upgrade)
                #expect(try await stranger.readText(12) == "HTTP/1.1 101")
                try await stranger.write(ByteBuffer(bytes: bytes))
                // The rest of the answer, a Close, and the end.
                #expect(try await stranger.readToEnd().readableBytes < 200)
                await stranger.close()
            }
        }

        @Test("parts of a message without end, or pongs, are read up to a limit", arguments: [0x00, 0x8A] as [UInt8])
        func endless(_ kind: UInt8) async throws {
            try await withTunnel(.websocket) { engine, port in
                let stranger = try await ReferencePeer.stranger(port: port, tls: false)
                try await stranger.write(Self.upgrade)
                #expect(try await stranger.readText(12) == "HTTP/1.1 101")
                let endless = Array(repeating: [kind, 0x80, 0, 0, 0, 0], count: 20_000).joined()
                let frames: [UInt8] = [0x02, 0x80, 0, 0, 0, 0] + endless
                try? await stranger.write(ByteBuffer(bytes: frames))
                #expect(try await stranger.readToEnd().readableBytes < 200)
                await stranger.close()
                try await engine.wait(TwoEnds.serverID, for: "the count") { $0.rejected > 0 }
            }
        }

        @Test("a server with all its idle links answers another 503")
        func full() async throws {
            try await withTunnel(.websocket, max: 4) { engine, port in
                let stranger = try await ReferencePeer.stranger(port: port, tls: false)
                try await stranger.write(Self.upgrade)
                #expect(String(buffer: try await stranger.readToEnd()).hasPrefix("HTTP/1.1 503 "))
                await stranger.close()
            }
        }

        @Test("requests for links are no guesses at the key: the client that lost its server may come back")
        func notThrottled() async throws {
            let target = try await EchoServer.start()
            let ends = try TwoEnds(TunnelWay(.reverse, .websocket), to: target.port)
            try await withKeptLog { engine, _ in
                _ = await engine.start(ends.server, as: TwoEnds.serverID)
                for _ in 0..<TunnelLimits.handshakeFailures * 2 {
                    let link = try await ReferencePeer.stranger(port: Int(ends.server.tunnel.port), tls: false)
                    try await link.write(Self.upgrade)
                    #expect(String(buffer: try await link.readToEnd()).hasPrefix("HTTP/1.1 503 "))
                    await link.close()
                }
                await ends.run(on: engine)
                try await ends.ready(on: engine)
                #expect(try await TestClient.echo("hi", port: ends.port) == "hi")
            }
        }

        // MARK: HTTP/2

        @Test(
            "an HTTP/2 connection that floods before it proves the key is closed and counted",
            arguments: Flood.allCases
        )
        func flood(_ flood: Flood) async throws {
            try await withTunnel(.http2) { engine, port in
                let stranger = try await ReferencePeer.stranger(port: port, tls: true)
                try? await stranger.write(ByteBuffer(bytes: Flood.beginning + flood.frames))
                // What the server had to say before it closed is little.
                #expect(try await stranger.readToEnd().readableBytes < 100_000)
                await stranger.close()
                try await engine.wait(TwoEnds.serverID, for: "the count") { $0.rejected > 0 }
            }
        }

        @Test("another request than a link's is answered 404")
        func otherRequest() async throws {
            try await withTunnel(.http2) { _, port in
                let stranger = try await ReferencePeer.stranger(port: port, tls: true)
                try await stranger.write(ByteBuffer(bytes: Flood.beginning + Flood.head(of: 1, path: "/other!")))
                let answer = try await stranger.readToEnd()
                #expect(String(buffer: answer).contains("not found\n"))
                await stranger.close()
            }
        }

        // MARK: QUIC

        #if QUIC
        @Test("a link over QUIC without a proof ends alone, and is counted")
        func quicWithoutProof() async throws {
            try await withTunnel(.quic) { engine, port in
                let client = try await QUICClient(on: MultiThreadedEventLoopGroup.singleton.next(), port: port)
                let stranger = try await client.link()
                try await stranger.write(ByteBuffer(repeating: 2, count: LinkProof.lengthBytes))
                #expect(try await stranger.readToEnd().readableBytes == 0)
                await stranger.close()
                try await engine.wait(TwoEnds.serverID, for: "the count") { $0.rejected > 0 }
            }
        }

        @Test("a client over QUIC that opens streams without end is held to a few, and cut when it proves nothing")
        func quicStreams() async throws {
            var environment = TunnelEnvironment.brisk
            environment.handshakeTimeout = .seconds(1)
            try await withTunnel(.quic, environment: environment) { engine, port in
                let client = try await QUICClient(on: MultiThreadedEventLoopGroup.singleton.next(), port: port)
                var links: [ReferenceLink] = []
                for _ in 0..<TunnelLimits.quicUnprovenStreams { links.append(try await client.link()) }
                for link in links { #expect(try await link.readToEnd().readableBytes == 0) }
                for link in links { await link.close() }
                try await engine.wait(TwoEnds.serverID, for: "the count") { $0.rejected > 0 }
            }
        }
        #endif
    }
}

/// Frames of HTTP/2 (RFC 9113) that no client of ours sends, byte by byte.
enum Flood: CaseIterable {
    case streams
    case rapidReset
    case pings
    case settings
    case continuations
    case garbage
    /// Each adds one byte to the connection's window, and is as short as a frame may be.
    case windows

    /// The client's preface and empty settings.
    static let beginning = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(4, 0, 0, [])

    var frames: [UInt8] {
        switch self {
        case .streams: Self.repeated(200) { Self.head(of: $0) }
        case .rapidReset: Self.repeated(200) { Self.head(of: $0) + Self.frame(3, 0, $0, [0, 0, 0, 8]) }
        case .pings: Self.repeated(2000) { _ in Self.frame(6, 0, 0, Array(repeating: 7, count: 8)) }
        case .settings: Self.repeated(2000) { _ in Self.frame(4, 0, 0, []) }
        case .continuations:
            Self.frame(1, 0, 1, [0x83])
                + Self.repeated(2000) { _ in Self.frame(9, 0, 1, Array(repeating: 0x87, count: 64)) }
        case .garbage: Array(repeating: 0xFF, count: 4096)
        case .windows: Self.repeated(10_000) { _ in Self.frame(8, 0, 0, [0, 0, 0, 1]) }
        }
    }

    private static func repeated(_ count: Int, _ frames: (UInt32) -> [UInt8]) -> [UInt8] {
        (0..<count).flatMap { frames(UInt32($0) * 2 + 1) }
    }

    /// A request of a link, or of another path of seven bytes, whose body is to follow.
    static func head(of stream: UInt32, path: String = "/stream") -> [UInt8] {
        frame(1, 0x4, stream, [0x83, 0x87, 0x04, 0x07] + Array(path.utf8) + [0x01, 0x04] + Array("none".utf8))
    }

    private static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let length = UInt32(payload.count)
        return [UInt8(length >> 16 & 0xFF), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF), type, flags]
            + withUnsafeBytes(of: stream.bigEndian) { Array($0) } + payload
    }
}
