import Config
import NIOCore
import TestSupport
import Testing

@testable import Tunnel

extension TwoEnded {
    @Suite("The life of two ends of ours")
    struct LifeTests {
        // MARK: The pool

        @Test(
            "200 users at once over a pool of 2 to 8 links are all served",
            arguments: TwoEnded.ways
        )
        func crowd(_ way: TunnelWay) async throws {
            let target = try await EchoServer.start()
            var ends = try TwoEnds(way, to: target.port)
            ends.client.pool.min = 2
            ends.server.pool.max = 8
            let made = ends
            try await withTwoEnds(made) { engine, _ in
                let users = try await withThrowingTaskGroup(of: TestClient.self) { group in
                    for number in 0..<200 {
                        group.addTask {
                            let user = try await TestClient.connect(port: made.port)
                            #expect(try await user.echo("user \(number)") == "user \(number)")
                            return user
                        }
                    }
                    var users: [TestClient] = []
                    for try await user in group { users.append(user) }
                    return users
                }
                #expect(engine.snapshot()[made.entryID]?.tcpConnections == 200)
                for user in users { user.channel.close(promise: nil) }
                try await engine.wait(made.entryID, for: "no user") { $0.tcpConnections == 0 }
                try await engine.wait(made.exitID, for: "no connection") { $0.tcpConnections == 0 }
                #expect(engine.snapshot().values.allSatisfy { $0.rejected == 0 })
            }
        }

        @Test("the pool holds its minimum, grows in a burst, and shrinks back", arguments: TwoEnded.ways)
        func poolSize(_ way: TunnelWay) async throws {
            let target = try await EchoServer.start()
            var made = try TwoEnds(way, to: target.port)
            made.server.pool.max = 8
            let ends = made
            try await withTwoEnds(ends, environment: .reporting(every: .milliseconds(300))) { engine, _ in
                for id in [ends.entryID, ends.exitID] {
                    try await engine.wait(id, for: "the minimum") { $0.poolIdle == 4 }
                }
                let users = try await withThrowingTaskGroup(of: TestClient.self) { group in
                    for _ in 0..<40 { group.addTask { try await TestClient.connect(port: ends.port) } }
                    var users: [TestClient] = []
                    for try await user in group { users.append(user) }
                    return users
                }
                for id in [ends.entryID, ends.exitID] {
                    try await engine.wait(id, for: "growth") { $0.poolIdle > 4 }
                }
                for user in users { #expect(try await user.echo("x") == "x") }
                for id in [ends.entryID, ends.exitID] {
                    try await engine.wait(id, for: "the minimum again") { $0.poolIdle == 4 }
                }
                // Those in use were left alone.
                for user in users {
                    #expect(try await user.echo("y") == "y")
                    user.channel.close(promise: nil)
                }
            }
        }

        @Test("a changed minimum is taken over live", arguments: TwoEnded.ways)
        func poolResize(_ way: TunnelWay) async throws {
            var ends = try TwoEnds(way, to: try deadPort())
            let made = ends
            ends.client.pool.min = 9
            let changed = ends
            try await withTwoEnds(made, environment: .reporting(every: .milliseconds(500))) { engine, _ in
                let before = try await engine.wait(TwoEnds.clientID, for: "the minimum") { $0.poolIdle == 4 }
                await changed.run(on: engine)
                let after = try await engine.wait(TwoEnds.clientID, for: "the new minimum") { $0.poolIdle == 9 }
                #expect(before.readySince == after.readySince)
            }
        }

        // MARK: Refusals

        @Test(
            "a user whose target is unreachable is let go at once, and the entry knows why",
            arguments: TwoEnded.ways
        )
        func unreachable(_ way: TunnelWay) async throws {
            let ends = try TwoEnds(way, to: try deadPort())
            try await withTwoEnds(ends) { engine, log in
                let start = ContinuousClock.now
                let user = try await TestClient.connect(port: ends.port)
                #expect(try await user.hear().readableBytes == 0)
                #expect(ContinuousClock.now - start < .seconds(3))
                try await log.line("Target unreachable", of: ends.exitID)
                try await log.line("The peer refused a connection: target unreachable", of: ends.entryID)
                #expect(engine.snapshot()[ends.entryID]?.phase == .ready)
            }
        }

        @Test("an entry whose other end reaches no target knows it, and that it does again", arguments: TwoEnded.flows)
        func targetComesBack(_ flow: TunnelFlow) async throws {
            let port = try FreePorts.one()
            let ends = try TwoEnds(flow, to: port)
            var environment = TunnelEnvironment.brisk
            environment.tcpDialTimeout = .milliseconds(50)
            try await withTwoEnds(ends, environment: environment) { engine, log in
                for _ in 0..<TargetHealth.downAfter {
                    let user = try await TestClient.connect(port: ends.port)
                    _ = try await user.receiveAll()
                }
                for id in [ends.entryID, ends.exitID] {
                    // A refusal may come after its link has ended.
                    let status = try await engine.wait(id, for: "its target to be down") { status in
                        status.targets.first?.isDown == true
                    }
                    let target = try #require(status.targets.first)
                    #expect(target.isDown && target.error?.contains("Connection refused") == true, "\(target)")
                }
                #expect(engine.status(of: ends.entryID)?.targetFailures == [.otherEnd: 3])
                #expect(engine.status(of: ends.exitID)?.targetFailures == [.refused: 3])
                let echo = try await EchoServer.start(at: port)
                let user = try await TestClient.connect(port: ends.port)
                try await user.send("hello")
                #expect(try await user.receiveText(5) == "hello")
                try await log.line("The peer connects users again", of: ends.entryID)
                for id in [ends.entryID, ends.exitID] {
                    #expect(engine.status(of: id)?.targets.first?.isDown == false)
                }
                try await user.close()
                withExtendedLifetime(echo) {}
            }
        }

        @Test("a protocol that is off at the exit is refused by it", arguments: TwoEnded.ways)
        func protocolOff(_ way: TunnelWay) async throws {
            let target = try await EchoServer.start()
            var ends = try TwoEnds(way, to: target.port)
            ends.exit.protocols = [.udp]
            let made = ends
            try await withTwoEnds(made) { _, log in
                let user = try await TestClient.connect(port: made.port)
                #expect(try await user.hear().readableBytes == 0)
                try await log.line("The peer refused a connection: tcp is switched off", of: made.entryID)
            }
        }

        @Test("the connection limit counts at either end", arguments: TwoEnded.ways, [true, false])
        func connectionLimit(_ way: TunnelWay, _ isAtEntry: Bool) async throws {
            let target = try await EchoServer.start()
            var ends = try TwoEnds(way, to: target.port)
            if isAtEntry { ends.entry.connections = 1 } else { ends.exit.connections = 1 }
            let made = ends
            try await withTwoEnds(made) { engine, log in
                let first = try await TestClient.connect(port: made.port)
                #expect(try await first.echo("1") == "1")
                let second = try await TestClient.connect(port: made.port)
                #expect(try await second.hear().readableBytes == 0)
                try await log.line("connection limit 1 reached", of: isAtEntry ? made.entryID : made.exitID)
                #expect(try await first.echo("still") == "still")
                try await first.close()
                for id in [made.entryID, made.exitID] {
                    try await engine.wait(id, for: "a free slot") { $0.tcpConnections == 0 }
                }
                #expect(try await TestClient.echo("3", port: made.port) == "3")
            }
        }

        @Test("the rate limit of either end applies", arguments: TwoEnded.ways, [true, false])
        func rate(_ way: TunnelWay, _ isAtEntry: Bool) async throws {
            let target = try await EchoServer.start()
            var ends = try TwoEnds(way, to: target.port)
            if isAtEntry { ends.entry.rateMbps = 8 } else { ends.exit.rateMbps = 8 }
            let made = ends
            try await withTwoEnds(made) { _, _ in
                let user = try await TestClient.connect(port: made.port)
                let start = ContinuousClock.now
                async let heard = user.hear(500_000)
                try await user.send(ByteBuffer(repeating: 1, count: 500_000))
                #expect(try await heard.readableBytes == 500_000)
                // 500 kB at 1 MB/s take half a second; a limiter that does nothing takes a few milliseconds.
                #expect(ContinuousClock.now - start > .milliseconds(350))
                try await user.close()
            }
        }

        @Test("the PROXY header carries the user's address, not the link's", arguments: TwoEnded.ways)
        func proxyHeader(_ way: TunnelWay) async throws {
            let target = try await EchoServer.start()
            var ends = try TwoEnds(way, to: target.port)
            ends.exit.proxyProtocol = .v1
            let made = ends
            try await withTwoEnds(made) { _, _ in
                let user = try await TestClient.connect(port: made.port)
                let port = user.channel.localAddress?.port ?? 0
                let expected = "PROXY TCP4 127.0.0.1 127.0.0.1 \(port) \(target.port)\r\nhi"
                try await user.send("hi")
                #expect(String(buffer: try await user.hear(expected.utf8.count)) == expected)
                try await user.close()
            }
        }

        @Test("access rules of the entry turn users away before they cost a link", arguments: TwoEnded.ways)
        func access(_ way: TunnelWay) async throws {
            let target = try await EchoServer.start()
            var ends = try TwoEnds(way, to: target.port)
            ends.entry.access.deny = [try #require(IPNetwork("127.0.0.0/8"))]
            let made = ends
            try await withTwoEnds(made) { engine, log in
                let user = try await TestClient.connect(port: made.port)
                #expect(try await user.hear().readableBytes == 0)
                try await log.line("access denied", of: made.entryID)
                #expect(engine.snapshot()[made.exitID]?.traffic == Traffic())
            }
        }

        // MARK: Stopping and changing

        @Test("stopping one end closes its listeners and every link", arguments: TwoEnded.ways, [true, false])
        func stop(_ way: TunnelWay, _ isServer: Bool) async throws {
            let target = try await EchoServer.start()
            let ends = try TwoEnds(way, to: target.port)
            let (stopped, other) =
                isServer ? (TwoEnds.serverID, TwoEnds.clientID) : (TwoEnds.clientID, TwoEnds.serverID)
            try await withTwoEnds(ends) { engine, _ in
                let user = try await TestClient.connect(port: ends.port)
                #expect(try await user.echo("a") == "a")
                await engine.stop(stopped)
                #expect(engine.snapshot()[stopped]?.phase == .stopped)
                #expect(engine.snapshot()[stopped]?.listening == [])
                #expect(engine.snapshot()[stopped]?.poolIdle == 0)
                #expect(try await user.hear().readableBytes == 0)
                let lost = try await engine.wait(other, for: "the loss") { $0.phase != .ready && $0.poolIdle == 0 }
                #expect(lost.transitions.contains { $0.reason == .peerUnreachable })
                if stopped == ends.entryID {
                    await #expect(throws: (any Error).self) { try await TestClient.connect(port: ends.port) }
                }
                if isServer {
                    await #expect(throws: (any Error).self) {
                        try await TestClient.connect(port: Int(ends.server.tunnel.port))
                    }
                }
                await ends.run(on: engine, generation: 1)
                try await ends.ready(on: engine)
                #expect(try await TestClient.echo("b", port: ends.port) == "b")
            }
        }

        @Test("either end can be restarted", arguments: TwoEnded.ways, [true, false])
        func restart(_ way: TunnelWay, _ isServer: Bool) async throws {
            let target = try await EchoServer.start()
            let ends = try TwoEnds(way, to: target.port)
            let id = isServer ? TwoEnds.serverID : TwoEnds.clientID
            try await withTwoEnds(ends) { engine, _ in
                for generation in 1...3 {
                    let spec = isServer ? ends.server : ends.client
                    await engine.run(id, spec: spec, generation: generation, releaseFirst: false)
                    try await engine.wait(id, for: "ready again") { $0.phase == .ready && $0.generation == generation }
                    try await ends.ready(on: engine)
                    let text = "round \(generation)"
                    #expect(try await TestClient.echo(text, port: ends.port) == text)
                }
            }
        }

        @Test("a new target serves new users while an old one goes on", arguments: TwoEnded.ways)
        func retarget(_ way: TunnelWay) async throws {
            let old = try await EchoServer.start(.speakFirst("old"))
            let new = try await EchoServer.start(.speakFirst("new"))
            let ends = try TwoEnds(way, to: old.port)
            try await withTwoEnds(ends) { engine, _ in
                let since = engine.snapshot().mapValues(\.readySince)
                let held = try await TestClient.connect(port: ends.port)
                #expect(String(buffer: try await held.hear(3)) == "old")
                var changed = ends
                changed.exit.targets[0].port = UInt16(new.port)
                await changed.run(on: engine)
                let fresh = try await TestClient.connect(port: ends.port)
                #expect(String(buffer: try await fresh.hear(3)) == "new")
                #expect(try await held.echo("still there") == "still there")
                #expect(engine.snapshot().mapValues(\.readySince) == since)
                try await held.close()
                try await fresh.close()
            }
        }

        @Test(
            "a key changed at one end, then at the other, costs users patience and nothing else",
            arguments: TwoEnded.ways,
            [true, false]
        )
        func rekey(_ way: TunnelWay, _ isServerFirst: Bool) async throws {
            let target = try await EchoServer.start()
            var ends = try TwoEnds(way, to: target.port)
            ends.server.drain = .seconds(30)
            ends.client.drain = .seconds(30)
            let made = ends
            ends.server.key = Secret("another")
            ends.client.key = Secret("another")
            let changed = ends
            try await withTwoEnds(made) { engine, _ in
                let held = try await TestClient.connect(port: made.port)
                #expect(try await held.echo("before") == "before")
                let refusals = Awaited(0)
                // Somebody knocks all the time, and is never refused.
                let knocking = Task {
                    while !Task.isCancelled {
                        do {
                            try await TestClient.connect(port: made.port).close()
                        } catch {
                            refusals.change { $0 += 1 }
                        }
                    }
                }
                defer { knocking.cancel() }
                let (first, second) =
                    isServerFirst ? (TwoEnds.serverID, TwoEnds.clientID) : (TwoEnds.clientID, TwoEnds.serverID)
                let specs = [TwoEnds.serverID: changed.server, TwoEnds.clientID: changed.client]
                await engine.run(first, spec: try #require(specs[first]), generation: 0, releaseFirst: false)
                let client = try await engine.wait(TwoEnds.clientID, for: "AuthFailed") { $0.reason == .authFailed }
                #expect(client.phase == .backoff)
                let server = try await engine.wait(TwoEnds.serverID, for: "AuthFailed") { $0.reason == .authFailed }
                #expect(server.phase == .connecting)
                let waiting = try await TestClient.connect(port: made.port)
                try await waiting.send("waiting")
                await engine.run(second, spec: try #require(specs[second]), generation: 0, releaseFirst: false)
                try await changed.ready(on: engine)
                #expect(String(buffer: try await waiting.hear(7)) == "waiting")
                #expect(try await held.echo("after") == "after")
                knocking.cancel()
                await knocking.value
                #expect(refusals.current == 0)
                try await held.close()
                try await waiting.close()
                for id in [TwoEnds.serverID, TwoEnds.clientID] {
                    try await engine.wait(id, for: "no connection") { $0.tcpConnections == 0 }
                }
            }
        }

        // MARK: Returning

        @Test("an end that is deleted and put back has the connections over its links again", arguments: TwoEnded.ways)
        func undo(_ way: TunnelWay) async throws {
            let target = try await EchoServer.start()
            var ends = try TwoEnds(way, to: target.port)
            (ends.server.drain, ends.client.drain) = (.seconds(30), .seconds(30))
            try await withTwoEnds(ends) { [ends] engine, _ in
                let user = try await TestClient.connect(port: ends.port)
                #expect(try await user.echo("a") == "a")
                for (id, spec) in [(TwoEnds.serverID, ends.server), (TwoEnds.clientID, ends.client)] {
                    await engine.remove(id)
                    #expect(engine.leaving()[id]?.drainingConnections == 1)
                    await engine.run(id, spec: spec, generation: 0, releaseFirst: false)
                    try await ends.ready(on: engine)
                    #expect(try await user.echo("b") == "b")
                    let status = try #require(engine.snapshot()[id])
                    #expect(status.tcpConnections == 1 && status.drainingConnections == 0)
                    #expect(engine.leaving().isEmpty)
                }
                #expect(engine.snapshot()[ends.entryID]?.traffic.tcpRx == 3)
                #expect(try await TestClient.echo("new", port: ends.port) == "new")
                try await user.close()
            }
        }

        // MARK: Stopping

        @Test("a user or a peer that reads nothing holds up no stop, with TLS or without", arguments: [true, false])
        func silentReader(_ hasTLS: Bool) async throws {
            let target = try await EchoServer.start(.speakFirst(String(repeating: "x", count: 40_000_000)))
            let ends = try TwoEnds(.reverse, to: target.port, tls: hasTLS ? .selfSigned : nil)
            try await withTwoEnds(ends) { engine, _ in
                let user = try await TestClient.connect(port: ends.port)
                try await user.channel.setOption(.autoRead, value: false).get()
                try await user.send("x")
                // The link is full when the exit has read more than all buffers between hold, and then stops.
                var last: UInt64 = 0
                repeat {
                    last = engine.snapshot()[ends.exitID]?.traffic.tcpRx ?? 0
                    try await Task.sleep(for: .milliseconds(100))
                } while last == 0 || engine.snapshot()[ends.exitID]?.traffic.tcpRx != last
                await engine.stop(ends.exitID)
                try await engine.wait(ends.exitID, for: "stopped", limit: .seconds(10)) { $0.phase == .stopped }
                await engine.stop(ends.entryID)
                try await engine.wait(ends.entryID, for: "stopped", limit: .seconds(10)) { $0.phase == .stopped }
                try? await user.close()
            }
        }
    }
}
