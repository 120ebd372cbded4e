package import Config
import NIOPosix
package import Tunnel

/// Runs a real engine for the length of a closure, then shuts it down and waits for its last task.
package func withEngine<Result: Sendable>(
    environment: TunnelEnvironment = TunnelEnvironment(),
    descriptors: DescriptorBudget = .ample,
    peers: PeerMemory = PeerMemory(),
    _ body: (TunnelEngine) async throws -> Result
) async throws -> Result {
    let engine = TunnelEngine(
        group: MultiThreadedEventLoopGroup.singleton,
        environment: environment,
        descriptors: descriptors,
        peers: peers
    )
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { await engine.run() }
        do {
            let result = try await body(engine)
            await engine.shutdown()
            try await tasks.waitForAll()
            return result
        } catch {
            await engine.shutdown()
            throw error
        }
    }
}

extension DescriptorBudget {
    /// More than any test takes.
    package static var ample: DescriptorBudget {
        DescriptorBudget(DescriptorPlan(limit: 1_000_000, cores: 1, api: 0))
    }
}

extension TunnelEngine {
    /// Starts a tunnel and returns the port it listens on.
    package func start(_ spec: TunnelSpec, as id: InstanceID = "00000001", generation: Int = 0) async -> Int {
        await run(id, spec: spec, generation: generation, releaseFirst: false)
        return Int(snapshot()[id]?.listening.first?.port ?? 0)
    }

    /// Waits for counters to satisfy the condition; they move without telling, so this looks again and again.
    package func figures(of id: InstanceID = "00000001", where condition: (TunnelStatus) -> Bool) async -> TunnelStatus
    {
        while true {
            if let status = snapshot()[id], condition(status) { return status }
            await Task.yield()
        }
    }

    /// Waits, up to a limit, until a tunnel's status or counters satisfy the condition.
    ///
    /// Counters move without telling and `changes` has one reader, so this looks every millisecond.
    @discardableResult
    package func wait(
        _ id: InstanceID,
        for what: String,
        limit: Duration = .seconds(15),
        until condition: (TunnelStatus) -> Bool
    ) async throws -> TunnelStatus {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            if let status = snapshot()[id], condition(status) { return status }
            try await Task.sleep(for: .milliseconds(1))
        }
        let steps = snapshot()[id]?.transitions.suffix(4).map { "\($0.phase) \($0.message)" } ?? []
        throw AwaitedTimeout(description: "waited \(limit) for \(what) of \(id); last steps \(steps)")
    }

    @discardableResult
    package func ready(_ id: InstanceID, limit: Duration = .seconds(15)) async throws -> TunnelStatus {
        try await wait(id, for: "ready", limit: limit) { $0.phase == .ready }
    }

    /// Waits for a status that satisfies the condition; the stream of changes wakes it.
    package func status(of id: InstanceID = "00000001", where condition: (TunnelStatus) -> Bool) async -> TunnelStatus?
    {
        if let status = snapshot()[id], condition(status) { return status }
        for await _ in changes {
            if let status = snapshot()[id], condition(status) { return status }
        }
        return nil
    }
}

extension TunnelSpec {
    /// A single-end client on a free port of 127.0.0.1.
    package static func singleEnd(to ports: Int...) throws -> TunnelSpec {
        let targets = ports.map { Endpoint(host: "127.0.0.1", port: UInt16($0)) }
        let tunnel = Endpoint(host: "127.0.0.1", port: UInt16(try FreePorts.one()))
        var spec = TunnelSpec(role: .client, tunnel: tunnel, targets: targets)
        spec.mode = .one
        spec.drain = .zero
        return spec
    }

    /// A server's end on a port of 127.0.0.1; users come in at `target` (`.one`, reverse) or go there (`.two`, forward).
    package static func server(
        _ mode: TunnelMode,
        at port: Int? = nil,
        target: Int,
        key: String = "secret",
        tls: TLSMode? = nil
    ) throws -> TunnelSpec {
        var spec = twoEnded(.server, at: try port ?? FreePorts.one(), target: target, key: key)
        spec.mode = mode
        spec.tls = tls
        return spec
    }

    /// The client's end, for a server at a port of 127.0.0.1.
    package static func dual(meeting port: Int, target: Int, key: String = "secret") -> TunnelSpec {
        var spec = twoEnded(.client, at: port, target: target, key: key)
        spec.mode = .two
        spec.pool.min = 4
        return spec
    }

    private static func twoEnded(_ role: TunnelRole, at port: Int, target: Int, key: String) -> TunnelSpec {
        func local(_ port: Int) -> Endpoint { Endpoint(host: "127.0.0.1", port: UInt16(port)) }
        var spec = TunnelSpec(role: role, tunnel: local(port), targets: [local(target)])
        spec.key = Secret(key)
        spec.drain = .zero
        spec.log = .debug
        return spec
    }
}
