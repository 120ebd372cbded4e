import Config
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Tunnel

@Suite("An engine at the end of its descriptors", .timeLimit(.minutes(1)))
struct DescriptorLimitTests {
    /// 30 for users and listeners, 4 more for listeners.
    private let budget = DescriptorBudget(DescriptorPlan(limit: 92, cores: 1, api: 0))

    /// Waits for what closes after its user has heard of it.
    private func taken(_ count: Int, of budget: DescriptorBudget) async -> Bool {
        for _ in 0..<1_000_000 where budget.figures.taken != count { await Task.yield() }
        return budget.figures.taken == count
    }

    private func answers(_ user: TestClient) async throws -> Bool {
        try? await user.send("x")
        return try await user.receive(1).readableBytes == 1
    }

    @Test("TCP users are refused, counted, and let in again when others have left")
    func tcp() async throws {
        #expect(budget.plan.users == 30 && budget.plan.tunnels == 34)
        let server = try await EchoServer.start()
        var spec = try TunnelSpec.singleEnd(to: server.port)
        spec.protocols = [.tcp]
        try await withEngine(descriptors: budget) { [spec] engine in
            let port = await engine.start(spec)
            var users: [TestClient] = []
            for _ in 0..<14 { users.append(try await TestClient.connect(port: port)) }
            for user in users { #expect(try await answers(user)) }
            #expect(budget.figures.taken == 30)
            for _ in 0..<3 { #expect(try await !answers(try await TestClient.connect(port: port))) }
            #expect(engine.snapshot()["00000001"]?.refused == 3)
            #expect(budget.figures.refused == 3)
            #expect(engine.snapshot()["00000001"]?.tcpConnections == 14)

            // Another can listen meanwhile.
            var other = try TunnelSpec.singleEnd(to: server.port)
            other.protocols = [.tcp]
            _ = await engine.start(other, as: "00000002")
            #expect(engine.snapshot()["00000002"]?.phase == .ready)

            // It is above its part now, and gets no more than three quarters.
            for user in users[..<6] { try await user.close() }
            #expect(await taken(20, of: budget))
            users.append(try await TestClient.connect(port: port))
            for user in users[6...] { #expect(try await answers(user)) }
            for user in users[6...] { try await user.close() }
            #expect(await taken(4, of: budget))
        }
        #expect(budget.figures.taken == 0)
    }

    @Test("each connection of a handshake has a place, the one of v1.14 after a sealed one too")
    func handshakes() async throws {
        let asked = Awaited(0)
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(UnansweringServer(asked))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        var environment = TunnelEnvironment.brisk
        environment.handshakeTimeout = .seconds(1)
        try await withEngine(environment: environment, descriptors: budget) { engine in
            _ = await engine.start(.dual(meeting: try #require(server.localAddress?.port), target: try deadPort()))
            try await asked.wait(for: "the request of v1.14") { $0 > 0 ? true : nil }
            #expect(budget.figures.taken == 1)
        }
        #expect(await taken(0, of: budget))
        try await server.close()
    }

    @Test("UDP users are refused, counted, and let in again when others have gone")
    func udp() async throws {
        let server = try await DatagramEchoServer.start()
        var spec = try TunnelSpec.singleEnd(to: server.port)
        spec.protocols = [.udp]
        try await withEngine(descriptors: budget) { [spec] engine in
            let port = await engine.start(spec)
            var users: [DatagramClient] = []
            for _ in 0..<32 { users.append(try await DatagramClient.connect(port: port)) }
            for user in users { try await user.send(ByteBuffer(string: "x")) }
            let full = await engine.figures { $0.refused > 0 && $0.udpSessions + $0.refused >= 32 }
            #expect(full.udpSessions == 29 && full.refused == 3)
            let late = try await DatagramClient.connect(port: port)
            // A new run has a new listener, and sessions end with theirs.
            _ = await engine.start(spec, generation: 1)
            #expect(await taken(1, of: budget))
            try await late.send(ByteBuffer(string: "late"))
            var received = late.datagrams.makeAsyncIterator()
            #expect(await received.next() == ByteBuffer(string: "late"))
            #expect(budget.figures.taken == 2)
        }
        #expect(await taken(0, of: budget))
    }

    @Test("a tunnel cannot take the places of another that has few")
    func fairness() async throws {
        let server = try await EchoServer.start()
        let specs = try (0..<2).map { _ in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.protocols = [.tcp]
            return spec
        }
        try await withEngine(descriptors: budget) { engine in
            let greedy = await engine.start(specs[0], as: "00000001")
            let modest = await engine.start(specs[1], as: "00000002")
            var users: [TestClient] = []
            for _ in 0..<20 { users.append(try await TestClient.connect(port: greedy)) }
            let status = await engine.figures { $0.tcpConnections + $0.refused == 20 }
            // Above its part of 15 it gets what makes 23 in all, of which four are the listeners'.
            #expect(status.tcpConnections == 9 && status.refused == 11)
            for _ in 0..<3 {
                let user = try await TestClient.connect(port: modest)
                #expect(try await answers(user))
                users.append(user)
            }
            #expect(engine.snapshot()["00000002"]?.refused == 0)
            for user in users { try? await user.close() }
        }
    }

    @Test("a target that cannot be reached, one that refuses and a user who has left give everything back")
    func failures() async throws {
        let closed = try FreePorts.one()
        var spec = try TunnelSpec.singleEnd(to: closed)
        try await withEngine(descriptors: budget) { [spec] engine in
            let port = await engine.start(spec)
            for _ in 0..<30 {
                let user = try await TestClient.connect(port: port)
                #expect(try await user.receiveAll().readableBytes == 0)
                #expect(await taken(3, of: budget))
            }
            #expect(engine.snapshot()["00000001"]?.refused == 0)
        }
        spec.block = [.http]
        try await withEngine(descriptors: budget) { [spec] engine in
            let port = await engine.start(spec)
            for _ in 0..<30 {
                try await TestClient.connect(port: port).close()
                #expect(await taken(3, of: budget))
            }
        }
        #expect(budget.figures.taken == 0)
    }

    @Test("a tunnel that finds no place to listen says so, and listens when there is one")
    func listening() async throws {
        let server = try await EchoServer.start()
        let small = DescriptorBudget(DescriptorPlan(limit: 60, cores: 1, api: 0))
        #expect(small.plan.tunnels == 3)
        try await withEngine(descriptors: small) { engine in
            _ = await engine.start(try .singleEnd(to: server.port), as: "00000001")
            _ = await engine.start(try .singleEnd(to: server.port), as: "00000002")
            let status = try #require(engine.snapshot()["00000002"])
            #expect(status.phase == .backoff && status.reason == .tooManyOpenFiles, "\(status)")
            #expect(status.message.contains("LimitNOFILE"))
            #expect(small.figures.taken == 3)
            await engine.remove("00000001")
            try await engine.ready("00000002")
        }
        #expect(small.figures.taken == 0)
    }
}

extension TwoEnded {
    @Suite("Two ends at the end of their descriptors")
    struct DescriptorLimitTests {
        @Test("users are refused while there is no descriptor, and served when there is", arguments: TwoEnded.flows)
        func users(_ flow: TunnelFlow) async throws {
            let target = try await EchoServer.start()
            let budget = DescriptorBudget(DescriptorPlan(limit: 140, cores: 1, api: 0))
            let ends = try TwoEnds(flow, to: target.port)
            try await withEngine(environment: .brisk, descriptors: budget) { engine in
                await ends.run(on: engine)
                try await ends.ready(on: engine)
                var users: [TestClient] = []
                var served: [TestClient] = []
                for _ in 0..<60 {
                    let user = try await TestClient.connect(port: ends.port)
                    try? await user.send("x")
                    users.append(user)
                }
                // Each takes four: at the entry, both ends of its link, and its target.
                for user in users where try await user.receive(1).readableBytes == 1 { served.append(user) }
                #expect((1..<18).contains(served.count), "\(served.count)")
                #expect(budget.figures.refused > 0 && budget.figures.taken <= budget.plan.tunnels)
                #expect(engine.snapshot()[TwoEnds.serverID]?.phase == .ready)
                for user in users { try? await user.close() }
                try await engine.wait(ends.entryID, for: "no connection") { $0.tcpConnections == 0 }
                try await engine.wait(ends.exitID, for: "no connection") { $0.tcpConnections == 0 }
                // The links of those users give their descriptors back when they are closed, after they are counted.
                var answer = ""
                for _ in 0..<100 where answer.isEmpty {
                    let user = try await TestClient.connect(port: ends.port)
                    try? await user.send("y")
                    answer = try await user.receiveText(1)
                    try? await user.close()
                }
                #expect(answer == "y")
            }
            for _ in 0..<1_000_000 where budget.figures.taken > 0 { await Task.yield() }
            #expect(budget.figures.taken == 0)
        }
    }
}

/// Does not know the sealed handshake, and never answers that of v1.14.
private final class UnansweringServer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let asked: Awaited<Int>

    init(_ asked: Awaited<Int>) {
        self.asked = asked
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard String(buffer: Self.unwrapInboundIn(data)).contains("Upgrade:") else {
            asked.change { $0 += 1 }
            return
        }
        let reply = ByteBuffer(string: "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        context.writeAndFlush(Self.wrapOutboundOut(reply), promise: nil)
    }
}
