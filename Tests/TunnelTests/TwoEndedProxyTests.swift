import Config
import Foundation
import Testing

@testable import TestSupport
@testable import Tunnel

extension TwoEnded {
    /// `via`: a client behind a proxy.
    @Suite("A client that reaches its server through a proxy")
    struct ProxyTests {
        private static func ends(_ transport: PoolTransport, via proxy: String, to target: Int) throws -> TwoEnds {
            var ends = try TwoEnds(TunnelWay(.reverse, transport), to: target, tls: .selfSigned)
            // Only a proxy knows where that is.
            ends.client.tunnel.host = "server.nowhere.example"
            ends.client.via = try ProxyAddress(proxy)
            return ends
        }

        private static let proxies: [(TestProxy.Manner, String)] = [
            (.http(), "http://"), (.http(authorization: "dXNlcjpwYXNz"), "http://user:pass@"), (.socks5(), "socks5://"),
            (.socks5(login: [1, 4, 117, 115, 101, 114, 4, 112, 97, 115, 115]), "socks5://user:pass@"),
        ]

        @Test(
            "the handshake and all links go through it",
            arguments: [PoolTransport.tcp, .websocket, .http2],
            proxies
        )
        func serves(_ transport: PoolTransport, _ proxy: (manner: TestProxy.Manner, url: String)) async throws {
            let target = try await EchoServer.start()
            var made = try Self.ends(transport, via: "http://unused:1", to: target.port)
            let running = try await TestProxy.start(proxy.manner, to: Int(made.server.tunnel.port))
            made.client.via = try ProxyAddress(proxy.url + "127.0.0.1:\(running.port)")
            let ends = made
            try await withTwoEnds(ends) { engine, _ in
                #expect(try await TestClient.echo("hi", port: ends.port) == "hi")
                try await engine.wait(TwoEnds.clientID, for: "links") { $0.poolIdle == 4 }
            }
            #expect(running.joined.current > (transport == .http2 ? 1 : 5))
            try await running.stop()
        }

        @Test("a proxy that refuses is named with its answer, without its password")
        func refused() async throws {
            var made = try Self.ends(.tcp, via: "http://unused:1", to: try deadPort())
            let proxy = try await TestProxy.start(.http(authorization: "other"), to: 1)
            made.client.via = try ProxyAddress("http://user:hidden-word@127.0.0.1:\(proxy.port)")
            let ends = made
            try await withKeptLog { engine, log in
                await ends.run(on: engine)
                let status = try await engine.wait(TwoEnds.clientID, for: "it") { $0.reason == .proxyRefused }
                #expect(status.message.contains("407 Who are you"))
                #expect(try await !log.lines().contains { $0.message.contains("hidden-word") })
            }
            try await proxy.stop()
        }

        @Test(
            "links over QUIC do not pass it, which the client says",
            .enabled(if: QUICLink.isBuilt, "built without QUIC")
        )
        func quic() async throws {
            var made = try Self.ends(.quic, via: "http://unused:1", to: try deadPort())
            let proxy = try await TestProxy.start(.http(), to: Int(made.server.tunnel.port))
            made.client.via = try ProxyAddress("http://127.0.0.1:\(proxy.port)")
            let ends = made
            try await withKeptLog { engine, _ in
                await ends.run(on: engine)
                let status = try await engine.wait(TwoEnds.clientID, for: "it") { $0.reason == .notSupportedYet }
                #expect(status.message.contains("via") && status.message.contains("websocket or http2"))
            }
            try await proxy.stop()
        }

        private static let tinyproxy = installed("tinyproxy")
        private static let microsocks = installed("microsocks")

        private static func installed(_ name: String) -> String? {
            let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
            return (path.split(separator: ":").map(String.init) + ["/usr/sbin"]).map { "\($0)/\(name)" }
                .first { FileManager.default.isExecutableFile(atPath: $0) }
        }

        @Test("tinyproxy carries it", .enabled(if: tinyproxy != nil, "not installed: apt install tinyproxy-bin"))
        func realHTTP() async throws {
            let port = try FreePorts.one()
            let directory = try TemporaryDirectory()
            let path = try directory.write("Port \(port)\nListen 127.0.0.1\nTimeout 60\n", to: "tinyproxy.conf")
            try await serves(
                through: try #require(Self.tinyproxy),
                ["-d", "-c", path],
                "http://127.0.0.1:\(port)",
                port
            )
        }

        @Test("microsocks carries it", .enabled(if: microsocks != nil, "not installed: apt install microsocks"))
        func realSOCKS() async throws {
            let port = try FreePorts.one()
            let arguments = ["-i", "127.0.0.1", "-p", "\(port)", "-u", "user", "-P", "pass"]
            let url = "socks5://user:pass@127.0.0.1:\(port)"
            try await serves(through: try #require(Self.microsocks), arguments, url, port)
        }

        private func serves(through program: String, _ arguments: [String], _ url: String, _ port: Int) async throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: program)
            process.arguments = arguments
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            defer { process.terminate() }
            let target = try await EchoServer.start()
            var made = try Self.ends(.websocket, via: url, to: target.port)
            made.client.tunnel.host = "localhost"
            let ends = made
            // Until the proxy listens, the client's attempts fail and are repeated.
            try await withTwoEnds(ends) { _, _ in
                let heard = try await TestClient.echo("hi", port: ends.port)
                #expect(heard == "hi")
            }
        }
    }
}
