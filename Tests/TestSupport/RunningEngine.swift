package import Config
import NIOPosix
package import Tunnel

/// Runs a real engine for the length of a closure, then shuts it down and waits for its last task.
package func withEngine<Result: Sendable>(
    environment: TunnelEnvironment = TunnelEnvironment(),
    _ body: (TunnelEngine) async throws -> Result
) async throws -> Result {
    let engine = TunnelEngine(group: MultiThreadedEventLoopGroup.singleton, environment: environment)
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
}
