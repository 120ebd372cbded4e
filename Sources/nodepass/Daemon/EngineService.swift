import ServiceLifecycle
import Tunnel

/// The engine's place in the service group: on graceful shutdown relays finish, up to their drain limit.
struct EngineService: Service {
    let engine: TunnelEngine

    func run() async throws {
        await withGracefulShutdownHandler {
            await engine.run()
        } onGracefulShutdown: {
            // The callback is synchronous; `run()` returns when this shutdown is through, so the task can not outlive it.
            Task { await engine.shutdown() }
        }
    }
}
