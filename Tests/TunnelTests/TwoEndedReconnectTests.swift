import Config
import FoundationEssentials
import NIOCore
import Testing

@testable import TestSupport
@testable import Tunnel

extension TwoEnded {
    @Suite("Two ends that lose each other")
    struct ReconnectTests {
        @Test(
            "each time the other's process comes back the tunnel is ready within a second, and nothing is left behind",
            arguments: TwoEnded.ways,
            [true, false]
        )
        func comesBack(_ way: TunnelWay, _ isServerAway: Bool) async throws {
            let target = try await EchoServer.start()
            let ends = try TwoEnds(way, to: target.port, tls: .selfSigned)
            let sockets = TestSockets(ports: [ends.port, Int(ends.server.tunnel.port), target.port])
            let (stays, leaves) = isServerAway ? (ends.client, ends.server) : (ends.server, ends.client)
            let idle = sockets.open
            try await withKeptLog { engine, _ in
                _ = await engine.start(stays)
                var delays: [Duration] = []
                var open = Int.max
                for _ in 0..<5 {
                    delays.append(try await visit(leaves, to: engine, port: ends.port))
                    try await engine.wait("00000001", for: "the loss") { $0.phase != .ready && $0.poolIdle == 0 }
                    try await engine.wait("00000001", for: "no connection") { $0.tcpConnections == 0 }
                    // No round leaves more behind than the first.
                    open = try await sockets.settled(to: open)
                }
                // One of the five may have met a machine that was busy with something else.
                #expect(delays.sorted()[3] < .seconds(1), "\(delays)")
            }
            // Fewer is well: a connection of somebody else's to these ports may have ended meanwhile.
            _ = try await sockets.settled(to: idle)
        }

        @Test(
            "a server that does not answer any more is found anew beside the session: nobody sees the client away",
            arguments: TwoEnded.flows
        )
        func foundAnew(_ flow: TunnelFlow) async throws {
            let target = try await EchoServer.start()
            var ends = try TwoEnds(flow, to: target.port, tls: .selfSigned)
            // Of these connections nothing arrives any more, as after a router has forgotten them.
            let lost = Awaited(0)
            let tap = try await WireTap.start(server: Int(ends.server.tunnel.port)) { chunk in
                chunk.connection <= lost.current ? [] : chunk.bytes
            }
            ends.client = .dual(meeting: tap.port, target: flow == .reverse ? target.port : ends.port, key: "secret")
            let made = ends
            try await withTwoEnds(made, environment: .reporting(every: .seconds(5))) { engine, _ in
                #expect(try await TestClient.echo("before", port: made.port) == "before")
                let before = engine.snapshot().mapValues(\.readySince)
                let start = ContinuousClock.now
                lost.change { $0 = tap.connections }
                try await engine.wait(TwoEnds.serverID, for: "a new session") {
                    $0.phase == .ready && $0.readySince != before[TwoEnds.serverID]
                }
                #expect(try await TestClient.echo("after", port: made.port) == "after")
                // A ping within a second, another for its answer, and the handshake; not three report intervals.
                #expect(ContinuousClock.now - start < .seconds(5))
                #expect(engine.snapshot()[TwoEnds.clientID]?.readySince == before[TwoEnds.clientID])
            }
            await tap.stop()
        }

        @Test("a certificate is compared also where the only idle link comes late, as over a slow line")
        func lateLink() async throws {
            let server = try await ReferencePeer.server(
                key: "secret",
                tls: .memory,
                manners: .givesIDsSlowly,
                // Four of them are longer than the wait for several links to choose from.
                pause: TunnelLimits.verifyPatience / 2
            )
            var spec = TunnelSpec.dual(meeting: server.port, target: try deadPort())
            spec.pool.min = 1
            try await withEngine(environment: .brisk) { [spec] engine in
                _ = await engine.start(spec)
                let signal = try await server.nextSignal("verify")
                #expect(signal.fp != nil)
            }
            await server.stop()
        }

        /// Runs the other end in an engine of its own until users have been served; returns how long they had to wait.
        private func visit(_ spec: TunnelSpec, to engine: TunnelEngine, port: Int) async throws -> Duration {
            let delay = Awaited(Duration.zero)
            try await withKeptLog { other, _ in
                let start = ContinuousClock.now
                _ = await other.start(spec)
                try await engine.ready("00000001")
                try await other.ready("00000001")
                let end = ContinuousClock.now
                delay.change { $0 = end - start }
                for number in 0..<3 {
                    let heard = try await TestClient.echo("user \(number)", port: port)
                    #expect(heard == "user \(number)")
                }
            }
            return delay.current
        }
    }
}

/// The sockets of this process at some ports, and what else runs beside has no part in.
private struct TestSockets {
    let ports: Set<Int>

    init(ports: [Int]) {
        self.ports = Set(ports)
    }

    /// How many descriptors of this process are sockets at one of the ports, near or far.
    ///
    /// The highest of several readings: the kernel's table can miss a row while sockets of others come and go.
    var open: Int { (0..<5).map { _ in reading }.max() ?? 0 }

    private var reading: Int {
        let inodes = inodesAtPorts
        let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
        return descriptors.count { descriptor in
            let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")
            return link.map { inodes.contains($0) } ?? false
        }
    }

    private var inodesAtPorts: Set<String> {
        let tables = ["tcp", "tcp6", "udp", "udp6"].compactMap {
            try? String(contentsOf: URL(filePath: "/proc/self/net/\($0)"), encoding: .utf8)
        }
        let rows = tables.flatMap { $0.split(separator: "\n").dropFirst() }.map { $0.split(separator: " ") }
        return Set(
            rows.filter { row in
                row[1...2].contains { address in
                    address.split(separator: ":").last.flatMap { Int($0, radix: 16) }.map(ports.contains) ?? false
                }
            }.map { "socket:[\($0[9])]" }
        )
    }

    /// Waits until no more than so many are open; throws when more stay.
    func settled(to count: Int) async throws -> Int {
        let end = ContinuousClock.now + .seconds(15)
        while ContinuousClock.now < end {
            let open = open
            if open <= count { return open }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw AwaitedTimeout(description: "\(open) sockets at \(ports) stay open, \(count) were before")
    }
}
