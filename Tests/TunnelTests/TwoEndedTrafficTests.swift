import Config
import NIOCore
import TestSupport
import Testing

@testable import Tunnel

extension TwoEnded {
    @Suite("Traffic between two of ours")
    struct TrafficTests {
        enum Security: CaseIterable {
            case off
            case selfSigned
            case files
        }

        /// Makes the ends and their environment; for `tls=2` with files of an authority that only this client trusts.
        private func withTunnel(
            _ way: TunnelWay,
            _ security: Security,
            to target: Int,
            _ body: @Sendable (TunnelEngine, TwoEnds) async throws -> Void
        ) async throws {
            let directory = try TemporaryDirectory()
            let authority = try TestAuthority()
            var environment = TunnelEnvironment.brisk
            environment.certificateAuthorities = try directory.write(authority.pem, to: "authority.pem")
            let tls: TLSMode =
                switch security {
                case .off: .off
                case .selfSigned: .selfSigned
                case .files: try authority.issue(to: ["tunnel.test"]).write(to: directory)
                }
            var ends = try TwoEnds(way, to: target, tls: tls)
            ends.client.sni = "tunnel.test"
            let made = ends
            try await withTwoEnds(made, environment: environment) { engine, _ in try await body(engine, made) }
            withExtendedLifetime(directory) {}
        }

        @Test("bytes come back as they went", arguments: Security.allCases, TwoEnded.ways)
        func echo(_ security: Security, _ way: TunnelWay) async throws {
            let target = try await EchoServer.start()
            try await withTunnel(way, security, to: target.port) { engine, ends in
                let user = try await TestClient.connect(port: ends.port)
                let bytes = ByteBuffer(bytes: (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })
                async let heard = user.hear(bytes.readableBytes)
                try await user.send(bytes)
                #expect(try await heard == bytes)
                try await user.close()
                for id in [TwoEnds.serverID, TwoEnds.clientID] {
                    let status = try await engine.wait(id, for: "no connection") { $0.tcpConnections == 0 }
                    // Each end counts at the socket that is not the link: what its users, or its target, sent and got.
                    #expect(status.traffic == Traffic(tcpRx: 1_000_000, tcpTx: 1_000_000))
                    #expect(status.rejected == 0)
                }
            }
        }

        @Test("a burst comes out as the datagrams that went in", arguments: Security.allCases, TwoEnded.ways)
        func datagrams(_ security: Security, _ way: TunnelWay) async throws {
            let target = try await DatagramEchoServer.start()
            try await withTunnel(way, security, to: target.port) { engine, ends in
                let user = try await DatagramClient.connect(port: ends.port)
                let burst = (0..<60).map { ByteBuffer(repeating: UInt8($0), count: $0 * 20) }
                for datagram in burst { user.channel.write(datagram, promise: nil) }
                user.channel.flush()
                #expect(await user.hear(burst.count) == burst)
                // Far more than a TLS record or a NodePass buffer holds.
                let giant = ByteBuffer(repeating: 9, count: 65_507)
                try await user.send(giant)
                #expect(await user.hear(1) == [giant])
                #expect(engine.snapshot()[ends.entryID]?.udpSessions == 1)
                #expect(engine.snapshot()[ends.exitID]?.udpSessions == 1)
            }
        }

        @Test("a user who sends and ends gets the whole answer", arguments: Security.allCases, TwoEnded.ways)
        func halfClose(_ security: Security, _ way: TunnelWay) async throws {
            let target = try await EchoServer.start(.answerAfterEnd)
            try await withTunnel(way, security, to: target.port) { engine, ends in
                let user = try await TestClient.connect(port: ends.port)
                try await user.send(ByteBuffer(repeating: 1, count: 700_000))
                try await user.endOutput()
                #expect(String(buffer: try await user.hear()) == "got 700000")
                try await engine.wait(ends.exitID, for: "no connection") { $0.tcpConnections == 0 }
                try await engine.wait(ends.entryID, for: "no connection") { $0.tcpConnections == 0 }
            }
        }

        @Test("a target that speaks first is heard", arguments: TwoEnded.ways)
        func targetFirst(_ way: TunnelWay) async throws {
            let target = try await EchoServer.start(.speakFirst("220 ready"))
            try await withTunnel(way, .selfSigned, to: target.port) { _, ends in
                let user = try await TestClient.connect(port: ends.port)
                #expect(String(buffer: try await user.hear(9)) == "220 ready")
                try await user.close()
            }
        }

        @Test("the server's certificate is shown, and an untrusted one makes no link", arguments: TwoEnded.ways)
        func untrusted(_ way: TunnelWay) async throws {
            let directory = try TemporaryDirectory()
            var environment = TunnelEnvironment.brisk
            environment.certificateAuthorities = try directory.write(try TestAuthority().pem, to: "authority.pem")
            let tls = try TestAuthority("another").issue(to: ["tunnel.test"]).write(to: directory)
            var ends = try TwoEnds(way, to: try deadPort(), tls: tls)
            ends.client.sni = "tunnel.test"
            let made = ends
            try await withKeptLog(environment: environment) { engine, _ in
                await made.run(on: engine)
                let status = try await engine.wait(TwoEnds.clientID, for: "a refusal") {
                    $0.reason == .certificateInvalid
                }
                #expect(status.phase == .backoff)
                #expect(engine.snapshot()[TwoEnds.serverID]?.certificate?.path == directory.file("server.crt"))
            }
        }
    }
}
