import Config
import NIOCore
import NIOPosix
import Testing

@testable import TestSupport
@testable import Tunnel

extension TwoEnded {
    @Suite("Sealed, or as v1.14: what two ends agree on")
    struct SealedTests {
        /// What each end of a pair asks for, and what has to come of it.
        struct Wish: Sendable, CustomTestStringConvertible {
            let server: HandshakePolicy
            let client: HandshakePolicy

            static let all = HandshakePolicy.allCases.flatMap { server in
                HandshakePolicy.allCases.map { Wish(server: server, client: $0) }
            }

            var testDescription: String { "server \(server), client \(client)" }

            var isSealed: Bool { server != .compatible && client != .compatible }

            /// The reason of the client, and of the server, where they do not come together.
            var refusal: (client: TunnelReason, server: TunnelReason?)? {
                switch (server, client) {
                case (.sealed, .compatible): (.authFailed, .peerDowngraded)
                case (.compatible, .sealed): (.peerDowngraded, nil)
                default: nil
                }
            }
        }

        private static let sealedLine = "proven the key in a sealed handshake"

        @Test(
            "each handshake of either end, with each tls of either: they connect, or the reason is known",
            arguments: Wish.all
        )
        func matrix(_ wish: Wish) async throws {
            let directory = try TemporaryDirectory()
            let authority = try TestAuthority()
            var environment = TunnelEnvironment.brisk
            environment.certificateAuthorities = try directory.write(authority.pem, to: "authority.pem")
            let files = try authority.issue(to: ["tunnel.test"]).write(to: directory)
            let target = try await EchoServer.start()
            try await withKeptLog(environment: environment) { engine, log in
                for (row, offered) in [TLSMode.off, .selfSigned, files].enumerated() {
                    for (column, least) in [nil, .off, .selfSigned, .verified].enumerated()
                        as EnumeratedSequence<[TLSMode?]>
                    {
                        var ends = try TwoEnds(column % 2 == 0 ? .reverse : .forward, to: target.port, tls: offered)
                        ends.server.handshake = wish.server
                        ends.client.handshake = wish.client
                        ends.client.tls = least
                        ends.client.sni = "tunnel.test"
                        let (server, client) = ("s\(row)\(column)", "c\(row)\(column)")
                        await engine.run(server, spec: ends.server, generation: 0, releaseFirst: false)
                        await engine.run(client, spec: ends.client, generation: 0, releaseFirst: false)
                        if let refusal = wish.refusal {
                            try await engine.wait(client, for: "\(refusal.client)") { $0.reason == refusal.client }
                            if let reason = refusal.server {
                                try await engine.wait(server, for: "\(reason)") { $0.reason == reason }
                            }
                        } else if (least ?? .off).code > offered.code {
                            let status = try await engine.wait(client, for: "backoff") { $0.phase == .backoff }
                            #expect(status.reason == .tlsDowngraded)
                        } else {
                            try await engine.ready(client)
                            try await engine.ready(server)
                            #expect(try await TestClient.echo("hello", port: ends.port) == "hello")
                            for id in [server, client] {
                                let isSealed = try await log.lines().contains {
                                    $0.id == id && $0.message.contains(Self.sealedLine)
                                }
                                #expect(isSealed == wish.isSealed, "\(id)")
                                #expect(engine.snapshot()[id]?.rejected == 0)
                            }
                        }
                        await engine.remove(client)
                        await engine.remove(server)
                    }
                }
            }
            withExtendedLifetime(directory) {}
        }

        // MARK: Less than before

        @Test("a server that was sealed once is not believed when it offers less, until it is forgotten")
        func downgradedServer() async throws {
            let target = try await EchoServer.start()
            let ends = try TwoEnds(.reverse, to: target.port)
            let peers = PeerMemory()
            try await withKeptLog(peers: peers) { engine, _ in
                await ends.run(on: engine)
                try await ends.ready(on: engine)
                await engine.remove(TwoEnds.serverID)
                let impostor = try await ReferencePeer.server(port: Int(ends.server.tunnel.port), key: "secret")
                let status = try await engine.wait(TwoEnds.clientID, for: "the refusal") {
                    $0.reason == .peerDowngraded
                }
                #expect(status.phase == .backoff)
                #expect(status.message.hasSuffix("run: nodepass forget-peer \(TwoEnds.clientID)"))
                #expect(impostor.state.current.request == nil)
                peers.forget(TwoEnds.clientID)
                await engine.run(TwoEnds.clientID, spec: ends.client, generation: 1, releaseFirst: false)
                #expect(try await impostor.handshaken().contains("Bearer"))
                await impostor.stop()
            }
        }

        @Test("a client that was sealed once is not let in when it asks for less, until it is forgotten")
        func downgradedClient() async throws {
            let target = try await EchoServer.start()
            let ends = try TwoEnds(.reverse, to: target.port)
            let peers = PeerMemory()
            try await withKeptLog(peers: peers) { engine, _ in
                await ends.run(on: engine)
                try await ends.ready(on: engine)
                await engine.remove(TwoEnds.clientID)
                try await engine.wait(TwoEnds.serverID, for: "the loss") { $0.phase != .ready }
                let port = Int(ends.server.tunnel.port)
                await #expect(throws: ReferencePeerError.self) {
                    try await ReferencePeer.client(port: port, key: "secret")
                }
                let status = try await engine.wait(TwoEnds.serverID, for: "the refusal") {
                    $0.reason == .peerDowngraded
                }
                #expect(status.phase == .connecting)
                #expect(status.message.hasSuffix("run: nodepass forget-peer \(TwoEnds.serverID)"))
                peers.forget(TwoEnds.serverID)
                let peer = try await ReferencePeer.client(port: port, key: "secret")
                try await peer.controlUp()
                await peer.stop()
            }
        }

        @Test(
            "what cannot be remembered is not served, at either end",
            arguments: [TwoEnds.serverID, TwoEnds.clientID]
        )
        func lostMemory(_ end: InstanceID) async throws {
            struct DiskFull: Error {}
            let target = try await EchoServer.start()
            let ends = try TwoEnds(.reverse, to: target.port)
            let isFull = Awaited(true)
            let peers = PeerMemory { peer in
                if peer.instance == end, isFull.current { throw DiskFull() }
            }
            try await withKeptLog(peers: peers) { engine, log in
                await ends.run(on: engine)
                try await log.line("cannot note that the other end is sealed", of: end)
                #expect(engine.snapshot().values.allSatisfy { $0.phase != .ready })
                isFull.change { $0 = false }
                try await ends.ready(on: engine)
            }
        }

        @Test("a live sealed session stays whatever comes with the token of v1.14", arguments: HandshakePolicy.allCases)
        func eviction(_ policy: HandshakePolicy) async throws {
            guard policy != .compatible else { return }
            let target = try await EchoServer.start()
            var ends = try TwoEnds(.reverse, to: target.port)
            ends.server.handshake = policy
            let peers = PeerMemory()
            let made = ends
            try await withKeptLog(peers: peers) { engine, _ in
                await made.run(on: engine)
                try await made.ready(on: engine)
                peers.forget(TwoEnds.serverID)
                let since = engine.snapshot().mapValues(\.readySince)
                for _ in 0..<3 {
                    await #expect(throws: ReferencePeerError.self) {
                        try await ReferencePeer.client(port: Int(made.server.tunnel.port), key: "secret")
                    }
                }
                #expect(try await TestClient.echo("hi", port: made.port) == "hi")
                #expect(engine.snapshot().mapValues(\.readySince) == since)
                #expect(engine.snapshot()[TwoEnds.serverID]?.rejected == 3)
            }
        }

        @Test("a second sealed client stands by, and the first one's users notice nothing", arguments: TwoEnded.ways)
        func standby(_ way: TunnelWay) async throws {
            let target = try await EchoServer.start()
            let ends = try TwoEnds(way, to: target.port)
            try await withTwoEnds(ends) { engine, _ in
                let since = engine.snapshot().mapValues(\.readySince)
                let refusal = await #expect(throws: TunnelError.self) {
                    try await SealedCaller().call(Int(ends.server.tunnel.port))
                }
                #expect(refusal?.reason == .standby)
                #expect(refusal?.message == "Standing by: This tunnel is in use by another client (127.0.0.1).")
                let heard = try await TestClient.echo("after", port: ends.port)
                #expect(heard == "after")
                #expect(engine.snapshot().mapValues(\.readySince) == since)
                #expect(engine.snapshot()[TwoEnds.serverID]?.rejected == 0)
            }
        }

        // MARK: Less TLS than asked for

        @Test(
            "a forged reply that offers no TLS gets nothing of a client that asks for it",
            arguments: TwoEnded.flows,
            [TLSMode.selfSigned, .verified]
        )
        func forgedTerms(_ flow: TunnelFlow, _ least: TLSMode) async throws {
            let forger = try await ReferencePeer.server(key: "secret", flow: flow.rawValue, tls: .off)
            let port = try FreePorts.one()
            var spec = TunnelSpec.dual(meeting: forger.port, target: port)
            spec.tls = least
            try await withEngine(environment: .brisk) { [spec] engine in
                _ = await engine.start(spec)
                let status = try await engine.wait("00000001", for: "the refusal") { $0.reason == .tlsDowngraded }
                #expect(status.phase == .backoff)
                #expect(status.listening.isEmpty)
                #expect(forger.state.current.idle.isEmpty && forger.state.current.control == nil)
            }
            await forger.stop()
        }

        // MARK: Guesses

        @Test("each sealed handshake without the key is a guess: counted, and the address refused after ten")
        func guesses() async throws {
            var spec = try TunnelSpec.server(.two, target: try deadPort())
            // At `debug` each is a line.
            spec.log = .info
            try await withKeptLog { [spec] engine, log in
                let port = await engine.start(spec)
                for _ in 0..<TunnelLimits.handshakeFailures {
                    await #expect(throws: TunnelError.self) { try await SealedCaller(key: "guess").call(port) }
                }
                let status = try await engine.wait("00000001", for: "the count") {
                    $0.rejected == TunnelLimits.handshakeFailures
                }
                #expect(status.reason == .authFailed)
                let refusal = await #expect(throws: TunnelError.self) { try await SealedCaller().call(port) }
                #expect(refusal?.message.contains("429") == true)
                let failures = try await log.lines().map(\.message).filter { $0.contains("sealed handshake failed") }
                #expect(failures.count < 5)
                let why = "sealed handshake failed: the client hung up before it proved the key"
                #expect(failures.contains { $0.contains(why) })
                #expect(!failures.contains { $0.contains("uncleanShutdown") })
            }
        }

        @Test("a client that had a session is let in beside someone who guesses from the same address, once a ticket")
        func guessingNeighbor() async throws {
            let spec = try TunnelSpec.server(.two, target: try deadPort())
            try await withKeptLog { engine, _ in
                let port = await engine.start(spec)
                let tickets = try await SealedCaller().call(port).agreement.keys.tickets
                #expect(Set(tickets).count == TunnelLimits.sessionTickets)
                for _ in 0..<TunnelLimits.handshakeFailures {
                    await #expect(throws: TunnelError.self) { try await SealedCaller(key: "guess").call(port) }
                }
                await #expect(throws: TunnelError.self) { try await SealedCaller().call(port) }
                try await SealedCaller(ticket: tickets[0]).call(port)
                await #expect(throws: TunnelError.self) { try await SealedCaller(ticket: tickets[0]).call(port) }
            }
        }

        @Test("the right key is never a guess")
        func rightKeys() async throws {
            let spec = try TunnelSpec.server(.two, target: try deadPort())
            try await withKeptLog { engine, _ in
                let port = await engine.start(spec)
                for _ in 0..<(3 * TunnelLimits.handshakeFailures) {
                    let outcome = try await SealedCaller().call(port)
                    #expect(outcome.agreement.keys.isSealed)
                }
                #expect(engine.snapshot()["00000001"]?.rejected == 0)
            }
        }
    }
}

/// A client's handshake without a tunnel, sealed or not at all.
struct SealedCaller {
    var key = "secret"
    var clientID = "caller"
    var patience = TimeAmount.seconds(10)
    var ticket: String?

    private static let trust = ClientTrust(authorities: nil)

    @discardableResult
    func call(_ port: Int) async throws -> HandshakeClient.Outcome {
        let descriptors = TunnelDescriptors(.ample)
        let client = HandshakeClient(
            manner: .sealed(otherwise: TunnelError(.peerDowngraded, "not sealed")),
            route: ServerRoute(server: Endpoint(host: "127.0.0.1", port: UInt16(port)), proxy: nil),
            host: "none",
            path: "/",
            tunnelKey: key,
            clientID: clientID,
            timeout: patience,
            place: try #require(descriptors.place(for: .tunnel)),
            security: nil,
            areHeadsUnbound: false,
            sealing: { try Self.trust.handler(.anyCertificate, serverName: nil) },
            ticket: { [ticket] in ticket }
        )
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: port)
        return try await client.agree(with: [address][...], on: MultiThreadedEventLoopGroup.singleton.next()).get()
    }
}
