import Config
import NIOCore
import TestSupport
import Testing

@testable import Tunnel

extension TwoEnded {
    /// A tunnel beside a site's pages: `path` and `host`.
    @Suite("Where a server takes requests")
    struct PlaceTests {
        private static func ends(
            _ transport: PoolTransport,
            _ handshake: HandshakePolicy,
            tls: TLSMode?,
            to target: Int
        ) throws -> TwoEnds {
            var ends = try TwoEnds(TunnelWay(.reverse, transport), to: target, tls: tls)
            ends.server.path = "/tunnels/web"
            ends.server.host = "site.example.com"
            ends.server.handshake = handshake
            ends.client.path = ends.server.path
            ends.client.host = "Site.Example.Com"
            ends.client.handshake = handshake
            return ends
        }

        @Test(
            "both ends find each other there, for handshakes and links",
            arguments: [HandshakePolicy.auto, .compatible],
            [nil, .selfSigned] as [TLSMode?]
        )
        func meets(_ handshake: HandshakePolicy, _ tls: TLSMode?) async throws {
            let target = try await EchoServer.start()
            let ends = try Self.ends(.websocket, handshake, tls: tls, to: target.port)
            try await withTwoEnds(ends) { engine, _ in
                let heard = try await TestClient.echo("hi", port: ends.port)
                #expect(heard == "hi")
                #expect(engine.snapshot().values.allSatisfy { $0.rejected == 0 })
            }
        }

        @Test("a client that asks elsewhere is answered 404", arguments: [nil, "/", "/tunnels/we", "/tunnels/web/"])
        func elsewhere(_ path: String?) async throws {
            var made = try Self.ends(.websocket, .auto, tls: nil, to: try deadPort())
            made.client.path = path
            let ends = made
            try await withKeptLog { engine, _ in
                await ends.run(on: engine)
                let status = try await engine.wait(TwoEnds.clientID, for: "the answer") { $0.phase == .backoff }
                #expect(status.message.contains("404"))
            }
        }

        @Test("a link's request elsewhere, or for another site, is refused")
        func links() async throws {
            let target = try await EchoServer.start()
            let ends = try Self.ends(.websocket, .auto, tls: nil, to: target.port)
            try await withTwoEnds(ends) { engine, _ in
                let upgrade = WebSocketUpgrade()
                for (path, host) in [("/", "site.example.com"), ("/tunnels/web", "other.example.com")] {
                    let port = Int(ends.server.tunnel.port)
                    let stranger = try await ReferencePeer.stranger(port: port, tls: false)
                    try await stranger.write(upgrade.request(path: path, host: host))
                    #expect(String(buffer: try await stranger.readToEnd()).hasPrefix("HTTP/1.1 503 "))
                    await stranger.close()
                }
                #expect(try await TestClient.echo("hi", port: ends.port) == "hi")
            }
        }
    }
}
