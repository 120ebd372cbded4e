import Config
import NIOCore
import NIOPosix
import TestSupport
import Testing

@testable import Tunnel

@Suite("The life of a tunnel in the engine", .timeLimit(.minutes(1)))
struct LifeTests {
    @Test("a new target serves new connections and leaves the established ones alone")
    func retarget() async throws {
        let old = try await EchoServer.start(.speakFirst("old"))
        let new = try await EchoServer.start(.speakFirst("new"))
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: old.port)
            let port = await engine.start(spec)
            let held = try await TestClient.connect(port: port)
            #expect(try await held.receiveText(3) == "old")
            spec.targets[0].port = UInt16(new.port)
            #expect(await engine.start(spec) == port)
            let fresh = try await TestClient.connect(port: port)
            #expect(try await fresh.receiveText(3) == "new")
            try await held.send("still there")
            #expect(try await held.receiveText(11) == "still there")
        }
    }

    @Test("an address that is taken means backoff with PortInUse, and the tunnel comes up by itself when it is free")
    func portInUse() async throws {
        let server = try await EchoServer.start()
        let squatter = try await EchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.tunnel.port = UInt16(squatter.port)
            _ = await engine.start(spec)
            let blocked = engine.snapshot()["00000001"]
            #expect(blocked?.phase == .backoff)
            #expect(blocked?.reason == .portInUse)
            #expect(blocked?.nextRetry != nil)
            try await squatter.stop()
            let ready = await engine.status { $0.phase == .ready }
            #expect(ready?.reason == nil)
            let client = try await TestClient.connect(port: Int(spec.tunnel.port))
            try await client.send("up")
            #expect(try await client.receiveText(2) == "up")
        }
    }

    @Test("an address that another tunnel has is said to be that tunnel's, and is taken over once that is gone")
    func ownPortInUse() async throws {
        let server = try await EchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.tunnel.port = UInt16(try FreePorts.one())
            spec.protocols = [.tcp]
            _ = await engine.start(spec)
            _ = await engine.start(spec, as: "00000002")
            let blocked = engine.snapshot()["00000002"]?.transitions.last
            #expect(blocked?.reason == .portInUse)
            #expect(blocked?.message.contains("in use by the tunnel") == true)
            #expect(blocked?.message.contains("nodepass get 00000001 shows it") == true)
            await engine.stop("00000001")
            #expect(await engine.status(of: "00000002") { $0.phase == .ready } != nil)
        }
    }

    @Test("a stopped tunnel refuses at once, lets its connections finish, and is stopped when they have")
    func drain() async throws {
        let server = try await EchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.drain = .seconds(30)
            let port = await engine.start(spec)
            let held = try await TestClient.connect(port: port)
            try await held.send("a")
            #expect(try await held.receiveText(1) == "a")
            await engine.stop("00000001")
            let draining = try #require(engine.snapshot()["00000001"])
            #expect(draining.phase == .draining)
            #expect(draining.drainingConnections == 1)
            #expect(draining.drainDeadline != nil)
            await #expect(throws: (any Error).self) { try await TestClient.connect(port: port) }
            try await held.send("b")
            #expect(try await held.receiveText(1) == "b")
            try await held.endOutput()
            #expect(await engine.status { $0.phase == .stopped }?.drainingConnections == 0)
        }
    }

    @Test("the drain limit cuts what has not finished")
    func drainLimit() async throws {
        let server = try await EchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.drain = .milliseconds(50)
            let held = try await TestClient.connect(port: await engine.start(spec))
            try await held.send("a")
            #expect(try await held.receiveText(1) == "a")
            await engine.stop("00000001")
            #expect(try await held.receiveAll().readableBytes == 0)
            #expect(await engine.status { $0.phase == .stopped } != nil)
        }
    }

    @Test("a deleted tunnel that returns has its connections, its port and its counters again")
    func undo() async throws {
        let server = try await EchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.drain = .milliseconds(300)
            var other = try TunnelSpec.singleEnd(to: server.port)
            other.drain = .milliseconds(300)
            let port = await engine.start(spec)
            let held = try await TestClient.connect(port: port)
            #expect(try await held.echo("a") == "a")
            let lost = try await TestClient.connect(port: await engine.start(other, as: "00000002"))
            #expect(try await lost.echo("a") == "a")

            await engine.remove("00000001")
            #expect(engine.snapshot()["00000001"] == nil)
            let left = try #require(engine.leaving()["00000001"])
            #expect(left.drainingConnections == 1 && left.drainDeadline != nil)
            await #expect(throws: (any Error).self) { try await TestClient.connect(port: port) }
            #expect(await engine.start(spec) == port)
            await engine.remove("00000002")

            // By then the first tunnel's limit has passed, too.
            #expect(try await lost.receiveAll().readableBytes == 0)
            #expect(try await held.echo("b") == "b")
            let back = try #require(engine.snapshot()["00000001"])
            #expect(back.tcpConnections == 1 && back.drainingConnections == 0)
            #expect(back.traffic == Traffic(tcpRx: 2, tcpTx: 2))
            #expect(back.transitions.map(\.phase) == [.stopped, .starting, .ready])
            _ = try await engine.wait("00000001", for: "the other one's end") { _ in engine.leaving().isEmpty }

            spec.drain = .zero
            _ = await engine.start(spec)
            await engine.remove("00000001")
            #expect(try await held.receiveAll().readableBytes == 0)
        }
    }

    @Test("a tunnel that returns after its last connection is a new one")
    func undoTooLate() async throws {
        let server = try await EchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.drain = .seconds(30)
            let port = await engine.start(spec)
            let held = try await TestClient.connect(port: port)
            #expect(try await held.echo("a") == "a")
            let first = engine.snapshot()["00000001"]?.incarnation
            await engine.remove("00000001")
            try await held.close()
            while !engine.leaving().isEmpty { await Task.yield() }
            #expect(await engine.start(spec) == port)
            #expect(try await TestClient.echo("b", port: port) == "b")
            let status = await engine.figures { $0.tcpConnections == 0 }
            // Its life may have been ending still, and then it is the old one.
            let count: UInt64 = status.incarnation == first ? 2 : 1
            #expect(status.traffic == Traffic(tcpRx: count, tcpTx: count))
        }
    }

    @Test("a target that reads nothing does not outlive the drain of its tunnel")
    func silentTarget() async throws {
        let target = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.autoRead, value: false)
            .bind(host: "127.0.0.1", port: 0).get()
        let budget = DescriptorBudget(DescriptorPlan(limit: 1_000_000, cores: 1, api: 0))
        try await withEngine(descriptors: budget) { engine in
            let spec = try TunnelSpec.singleEnd(to: try #require(target.localAddress?.port))
            let user = try await TestClient.connect(port: await engine.start(spec))
            user.channel.writeAndFlush(ByteBuffer(repeating: 1, count: 40_000_000), promise: nil)
            // It has read what the target's buffers hold, and holds some of its own.
            _ = await engine.figures { $0.traffic.tcpRx > 1_000_000 }
            await engine.remove("00000001")
            let start = ContinuousClock.now
            while budget.figures.taken > 0, ContinuousClock.now - start < .seconds(15) { await Task.yield() }
            #expect(budget.figures.taken == 0)
        }
        try await target.close()
    }

    @Test("a shutdown with a limit cuts what would drain longer, of deleted tunnels too")
    func shutdownLimit() async throws {
        let server = try await EchoServer.start()
        let start = ContinuousClock.now
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.drain = .seconds(600)
            let held = try await TestClient.connect(port: await engine.start(spec))
            #expect(try await held.echo("a") == "a")
            spec.tunnel.port = UInt16(try FreePorts.one())
            let left = try await TestClient.connect(port: await engine.start(spec, as: "00000002"))
            #expect(try await left.echo("a") == "a")
            await engine.remove("00000002")
            #expect(engine.longestDrain > .seconds(590))
            await engine.shutdown(within: .milliseconds(100))
            #expect(try await held.receiveAll().readableBytes == 0)
            #expect(try await left.receiveAll().readableBytes == 0)
        }
        #expect(ContinuousClock.now - start < .seconds(30))
    }

    @Test("a moved tunnel listens at the new address, not at the old, and its connections live on")
    func rebind() async throws {
        let server = try await EchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.drain = .seconds(30)
            let old = await engine.start(spec)
            let held = try await TestClient.connect(port: old)
            try await held.send("a")
            #expect(try await held.receiveText(1) == "a")
            spec.tunnel.host = "127.0.0.2"
            let new = await engine.start(spec)
            let client = try await TestClient.connect(port: new, host: "127.0.0.2")
            try await client.send("new")
            #expect(try await client.receiveText(3) == "new")
            await #expect(throws: (any Error).self) { try await TestClient.connect(port: old) }
            try await held.send("b")
            #expect(try await held.receiveText(1) == "b")
            #expect(engine.snapshot()["00000001"]?.drainingConnections == 1)
            try await held.endOutput()
            try await client.endOutput()
        }
    }

    @Test("a restart passes through stopped and comes back on the same address")
    func restart() async throws {
        let server = try await EchoServer.start()
        try await withEngine { engine in
            let spec = try TunnelSpec.singleEnd(to: server.port)
            _ = await engine.start(spec)
            let before = engine.snapshot()["00000001"]?.transitions.last?.sequence ?? 0
            _ = await engine.start(spec, generation: 1)
            let steps = engine.snapshot()["00000001"]?.transitions.filter { $0.sequence > before }.map(\.phase)
            #expect(steps == [.stopped, .starting, .ready])
        }
    }

    @Test(
        "what can not run says so, and nothing else is disturbed",
        arguments: [
            (
                PoolTransport.unknown("9"), TunnelReason.invalidSpec,
                "0 (tcp), 1 (quic), 2 (websocket) and 3 (http2)"
            )
        ] + (QUICLink.isBuilt ? [] : [(.quic, .notSupportedYet, "libngtcp2-dev")])
    )
    func notSupported(_ transport: PoolTransport, _ reason: TunnelReason, _ hint: String) async throws {
        let server = try await EchoServer.start()
        try await withEngine { engine in
            let port = await engine.start(try .singleEnd(to: server.port))
            var spec = TunnelSpec(
                role: .server,
                tunnel: Endpoint(host: "127.0.0.1", port: 0),
                targets: [Endpoint(host: "a", port: 1)]
            )
            spec.mode = .two
            spec.transport = transport
            await engine.run("00000002", spec: spec, generation: 0, releaseFirst: false)
            let status = engine.snapshot()["00000002"]
            #expect(status?.phase == .failed)
            #expect(status?.reason == reason)
            #expect(status?.message.contains(hint) == true)
            let client = try await TestClient.connect(port: port)
            try await client.send("ok")
            #expect(try await client.receiveText(2) == "ok")
        }
    }

    @Test("turning UDP off closes that socket only")
    func protocols() async throws {
        let server = try await EchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            _ = await engine.start(spec)
            #expect(engine.snapshot()["00000001"]?.listening.count == 2)
            spec.protocols = [.tcp]
            let port = await engine.start(spec)
            #expect(engine.snapshot()["00000001"]?.listening.count == 1)
            let client = try await TestClient.connect(port: port)
            try await client.send("ok")
            #expect(try await client.receiveText(2) == "ok")
        }
    }

    @Test("a removed tunnel is forgotten and its address is free at once")
    func remove() async throws {
        let server = try await EchoServer.start()
        try await withEngine { engine in
            var spec = try TunnelSpec.singleEnd(to: server.port)
            let port = await engine.start(spec)
            await engine.remove("00000001")
            #expect(engine.snapshot().isEmpty)
            spec.tunnel.port = UInt16(port)
            await engine.run("00000002", spec: spec, generation: 0, releaseFirst: false)
            #expect(engine.snapshot()["00000002"]?.phase == .ready)
        }
    }

    @Test("a removed tunnel keeps the engine until its last connection has finished")
    func removedWhileDraining() async throws {
        let server = try await EchoServer.start()
        let engine = TunnelEngine(
            group: MultiThreadedEventLoopGroup.singleton,
            environment: TunnelEnvironment(),
            descriptors: .ample
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await engine.run() }
            var spec = try TunnelSpec.singleEnd(to: server.port)
            spec.drain = .seconds(30)
            let held = try await TestClient.connect(port: await engine.start(spec))
            try await held.send("a")
            #expect(try await held.receiveText(1) == "a")
            await engine.remove("00000001")
            await engine.shutdown()
            try await held.send("b")
            #expect(try await held.receiveText(1) == "b")
            try await held.endOutput()
            try await tasks.waitForAll()
        }
    }

    @Test("an engine that has shut down answers every command at once")
    func afterShutdown() async throws {
        let server = try await EchoServer.start()
        let spec = try TunnelSpec.singleEnd(to: server.port)
        let engine = TunnelEngine(
            group: MultiThreadedEventLoopGroup.singleton,
            environment: TunnelEnvironment(),
            descriptors: .ample
        )
        await withDiscardingTaskGroup { tasks in
            tasks.addTask { await engine.run() }
            _ = await engine.start(spec)
            await engine.shutdown()
        }
        #expect(await engine.start(spec) == 0)
        #expect(engine.snapshot()["00000001"]?.phase == .stopped)
        await engine.run("00000002", spec: spec, generation: 0, releaseFirst: false)
        await engine.stop("00000001")
        await engine.remove("00000001")
        #expect(engine.snapshot().isEmpty)
    }
}
