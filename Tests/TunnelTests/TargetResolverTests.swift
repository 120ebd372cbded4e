import Config
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import Tunnel

@Suite("Looking names up", .timeLimit(.minutes(1)))
struct TargetResolverTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.any()

    /// Name servers of which one never answers until it is let go.
    private final class NameServers: Sendable {
        private let gate = DispatchSemaphore(value: 0)
        let asked = Mutex<[String]>([])

        func lookup(_ host: String) throws -> [SocketAddress] {
            asked.withLock { $0.append(host) }
            if host.hasPrefix("dead") { gate.wait() }
            if host.hasPrefix("none") { throw TargetResolver.LookupError(message: "no such name") }
            return [try SocketAddress(ipAddress: "127.0.0.1", port: 0)]
        }

        func release(_ count: Int) { for _ in 0..<count { gate.signal() } }
    }

    @Test("dead names hold up neither each other nor a name that answers, and give up after their time")
    func deadNames() async throws {
        let servers = NameServers()
        let resolver = TargetResolver(patience: .milliseconds(300), lookup: servers.lookup)
        let start = ContinuousClock.now
        let dead = (1...12).map { resolver.resolve(Endpoint(host: "dead\($0)", port: 80), ttl: .seconds(60), on: loop) }
        let alive = try await resolver.resolve(Endpoint(host: "alive", port: 80), ttl: .seconds(60), on: loop).get()
        #expect(alive.map(\.port) == [80])
        for name in dead {
            await #expect(throws: TunnelError.self) { try await name.get() }
        }
        #expect(ContinuousClock.now - start < .seconds(5))
        servers.release(12)
    }

    @Test("names that failed before share a few threads, whatever their number")
    func retries() async throws {
        let gate = DispatchSemaphore(value: 0)
        let threads = LookUpThreads(threads: 4, retryThreads: 2)
        let running = Awaited(0)
        for _ in 0..<20 {
            threads.run(isRetry: true) {
                running.change { $0 += 1 }
                gate.wait()
            }
        }
        try await running.wait(for: "two retries") { $0 == 2 ? $0 : nil }
        let ran = Awaited(false)
        threads.run(isRetry: false) { ran.change { $0 = true } }
        try await ran.wait(for: "another name") { $0 ? $0 : nil }
        #expect(running.current == 2)
        for _ in 0..<20 { gate.signal() }
        try await running.wait(for: "all retries") { $0 == 20 ? $0 : nil }
    }

    @Test("a failure is kept, and is not asked for again at once")
    func negative() async throws {
        let servers = NameServers()
        let resolver = TargetResolver(lookup: servers.lookup)
        for _ in 0..<3 {
            await #expect(throws: TunnelError(.nameNotResolved, "no address for none: no such name")) {
                try await resolver.resolve(Endpoint(host: "none", port: 80), ttl: .seconds(60), on: loop).get()
            }
        }
        #expect(servers.asked.withLock { $0 } == ["none"])
    }

    @Test("a name that is not ASCII is asked for in its ASCII form, and by its own name in messages")
    func internationalName() async throws {
        let servers = NameServers()
        let resolver = TargetResolver(lookup: servers.lookup)
        for host in ["bücher.test", "BÜCHER.test", "bu\u{308}cher。test"] {
            let addresses = try await resolver.resolve(Endpoint(host: host, port: 80), ttl: .seconds(60), on: loop)
                .get()
            #expect(addresses.map(\.port) == [80])
        }
        #expect(servers.asked.withLock { $0 } == ["xn--bcher-kva.test"])
    }

    @Test("a look-up is repeated after names are forgotten, and what was known serves if it fails")
    func forgotten() async throws {
        let endpoint = Endpoint(host: "db.test", port: 80)
        let names: Mutex<[String]> = Mutex(["127.0.0.2"])
        let resolver = TargetResolver { _ in
            try names.withLock { try $0.map { try SocketAddress(ipAddress: $0, port: 0) } }
        }
        func addresses() async throws -> [String?] {
            try await resolver.resolve(endpoint, ttl: .seconds(60), on: loop).get().map(\.ipAddress)
        }
        #expect(try await addresses() == ["127.0.0.2"])
        names.withLock { $0 = ["127.0.0.3"] }
        // At most one look-up a second, so the old answer may come for so long.
        let start = ContinuousClock.now
        while try await addresses() == ["127.0.0.2"], ContinuousClock.now - start < .seconds(10) {
            resolver.forget([endpoint])
        }
        #expect(try await addresses() == ["127.0.0.3"])
        names.withLock { $0 = [] }
        resolver.forget()
        #expect(try await addresses() == ["127.0.0.3"])
    }

    @Test("a UDP user follows a name that has moved, be the old address silent or refusing", arguments: [true, false])
    func movedDatagramTarget(_ isSilent: Bool) async throws {
        let target = try await DatagramEchoServer.start()
        let silent =
            isSilent
            ? try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .bind(host: "127.0.0.2", port: target.port).get() : nil
        let names = Mutex(["127.0.0.2"])
        let resolver = TargetResolver { _ in
            try names.withLock { try $0.map { try SocketAddress(ipAddress: $0, port: 0) } }
        }
        var environment = TunnelEnvironment()
        environment.udpIdleTimeout = .seconds(2)
        let engine = TunnelEngine(
            group: MultiThreadedEventLoopGroup.singleton,
            environment: environment,
            descriptors: .ample,
            resolver: resolver
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await engine.run() }
            var spec = try TunnelSpec.singleEnd(to: target.port)
            spec.targets[0].host = "db.test"
            let user = try await DatagramClient.connect(port: await engine.start(spec))
            try await user.send(ByteBuffer(string: "lost"))
            try await engine.wait("00000001", for: "the first datagram") {
                $0.traffic.udpRx == 4 && $0.udpSessions == (isSilent ? 1 : 0)
            }
            names.withLock { $0 = ["127.0.0.1"] }
            let heard = Awaited(false)
            let listening = Task {
                for await _ in user.datagrams { heard.change { $0 = true } }
            }
            // At most one look-up a second, and a silence has to last, so the first ones may be lost as well.
            let start = ContinuousClock.now
            while !heard.current, ContinuousClock.now - start < .seconds(20) {
                try await user.send(ByteBuffer(string: "again"))
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(heard.current)
            try await user.channel.close()
            await listening.value
            await engine.shutdown()
        }
        try await silent?.close()
    }

    @Test("a client finds its server again where the server's name has moved to")
    func movedServer() async throws {
        let target = try await EchoServer.start()
        let names = Mutex(["127.0.0.2"])
        let resolver = TargetResolver { _ in
            try names.withLock { try $0.map { try SocketAddress(ipAddress: $0, port: 0) } }
        }
        let engine = TunnelEngine(
            group: MultiThreadedEventLoopGroup.singleton,
            environment: .brisk,
            descriptors: .ample,
            resolver: resolver
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await engine.run() }
            var ends = try TwoEnds(.reverse, to: target.port)
            ends.client.tunnel.host = "server.test"
            await ends.run(on: engine)
            try await engine.wait(TwoEnds.clientID, for: "a failed attempt") { $0.phase == .backoff }
            names.withLock { $0 = ["127.0.0.1"] }
            try await engine.ready(TwoEnds.clientID, limit: .seconds(10))
            #expect(try await TestClient.echo("there", port: ends.port) == "there")
            await engine.shutdown()
        }
    }

    @Test("a ping finds a name that has moved, as users do")
    func pingMoved() async throws {
        let target = try await EchoServer.start()
        let names = Mutex(["127.0.0.2"])
        let resolver = TargetResolver { _ in
            try names.withLock { try $0.map { try SocketAddress(ipAddress: $0, port: 0) } }
        }
        let dialer = TargetDialer(resolver: resolver, environment: TunnelEnvironment())
        let probe = TargetProbe(dialer: dialer, group: MultiThreadedEventLoopGroup.singleton)
        let endpoint = Endpoint(host: "db.test", port: UInt16(target.port))
        await #expect(throws: (any Error).self) { try await probe.reach(endpoint, within: .seconds(5)) }
        names.withLock { $0 = ["127.0.0.1"] }
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(10) {
            if (try? await probe.reach(endpoint, within: .seconds(5))) != nil { break }
        }
        #expect(ContinuousClock.now - start < .seconds(3))
    }

    @Test("a target whose name has moved is reached by the user who finds the old address dead")
    func movedTarget() async throws {
        let target = try await EchoServer.start()
        let names = Mutex(["127.0.0.2"])
        let resolver = TargetResolver { _ in
            try names.withLock { try $0.map { try SocketAddress(ipAddress: $0, port: 0) } }
        }
        let dialer = TargetDialer(resolver: resolver, environment: TunnelEnvironment())
        var spec = try TunnelSpec.singleEnd(to: target.port)
        spec.targets = [Endpoint(host: "db.test", port: UInt16(target.port))]
        let plan = ForwardingPlan(spec, following: nil)
        let descriptors = TunnelDescriptors(.ample)
        func connect() async throws -> TargetDialer.Connection {
            try await dialer.connect(plan, try #require(descriptors.place(for: .target)), on: loop).get()
        }
        await #expect(throws: (any Error).self) { try await connect() }
        names.withLock { $0 = ["127.0.0.1"] }
        // A name is looked up once a second: users who come before are still refused.
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(10) {
            if let reached = try? await connect() {
                #expect(reached.address.ipAddress == "127.0.0.1")
                try await reached.channel.close()
                break
            }
        }
        #expect(ContinuousClock.now - start < .seconds(3))
    }
}
