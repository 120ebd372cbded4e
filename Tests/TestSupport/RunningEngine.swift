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

    /// Waits for a status that satisfies the condition; the stream of changes wakes it.
    package func status(of id: InstanceID = "00000001", where condition: (TunnelStatus) -> Bool) async -> TunnelStatus? {
        if let status = snapshot()[id], condition(status) { return status }
        for await _ in changes {
            if let status = snapshot()[id], condition(status) { return status }
        }
        return nil
    }
}

extension TunnelSpec {
    /// A single-end client on a free port of 127.0.0.1.
    package static func singleEnd(to ports: Int...) -> TunnelSpec {
        let targets = ports.map { Endpoint(host: "127.0.0.1", port: UInt16($0)) }
        var spec = TunnelSpec(role: .client, tunnel: Endpoint(host: "127.0.0.1", port: 0), targets: targets)
        spec.mode = .one
        spec.drain = .zero
        return spec
    }
}
