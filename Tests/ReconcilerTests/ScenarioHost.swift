import Config
import Reconciler
import Synchronization
import TestSupport
import Tunnel

/// A host whose surroundings a scenario can change and see.
protocol ScenarioHost: InstanceHost {
    /// Somebody who is no instance listens at this port of 127.0.0.1.
    func occupy(port: UInt16) async throws
    func vacate(port: UInt16) async throws
    /// Certificate files have changed; a host that looks for itself has nothing to do.
    func filesChanged()
    /// What tells the sockets that listen at this port from any others.
    func sockets(at port: UInt16) throws -> Set<Int>
}

extension FakeHost: ScenarioHost {
    func occupy(port: UInt16) { occupy(ListenAddress(Endpoint(host: "127.0.0.1", port: port), .tcp)) }
    func vacate(port: UInt16) { vacate(ListenAddress(Endpoint(host: "127.0.0.1", port: port), .tcp)) }
}

/// The engine, with real sockets.
struct EngineHost: ScenarioHost {
    let engine: TunnelEngine
    private let squatters = Squatters()

    init(_ engine: TunnelEngine) {
        self.engine = engine
    }

    private actor Squatters {
        var servers: [UInt16: EchoServer] = [:]

        func come(to port: UInt16) async throws {
            servers[port] = try await EchoServer.start(at: Int(port))
        }

        func leave(_ port: UInt16) async throws {
            try await servers.removeValue(forKey: port)?.stop()
        }
    }

    func filesChanged() {}
    func occupy(port: UInt16) async throws { try await squatters.come(to: port) }
    func vacate(port: UInt16) async throws { try await squatters.leave(port) }

    /// By their inodes, as the kernel lists them.
    func sockets(at port: UInt16) throws -> Set<Int> {
        let hex = String(port, radix: 16, uppercase: true)
        let suffix = ":" + String(repeating: "0", count: 4 - hex.count) + hex
        var inodes: Set<Int> = []
        for (table, listening) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
            let text = try TextFile.read("/proc/net/\(table)", limitBytes: 16 << 20)
            for line in text.split(separator: "\n").dropFirst() {
                let columns = line.split(separator: " ")
                guard columns.count > 9, columns[1].hasSuffix(suffix), columns[3] == listening else { continue }
                if let inode = Int(columns[9]) { inodes.insert(inode) }
            }
        }
        return inodes
    }

    // MARK: InstanceHost

    var changes: AsyncStream<Void> { engine.changes }
    func label(_ id: InstanceID, _ label: String) { engine.label(id, label) }
    func snapshot() -> [InstanceID: TunnelStatus] { engine.snapshot() }
    func status(of id: InstanceID) -> TunnelStatus? { engine.status(of: id) }

    func run(_ id: InstanceID, spec: TunnelSpec, generation: Int, releaseFirst: Bool) async {
        await engine.run(id, spec: spec, generation: generation, releaseFirst: releaseFirst)
    }

    func stop(_ id: InstanceID) async { await engine.stop(id) }
    func leaving() -> [InstanceID: TunnelStatus] { engine.leaving() }
    func users(of id: InstanceID) async -> UserConnections? { await engine.users(of: id) }

    func forgetNames() { engine.forgetNames() }

    func remove(_ id: InstanceID) async { await engine.remove(id) }
    func forgetPeer(of id: InstanceID) { engine.forgetPeer(of: id) }
}
