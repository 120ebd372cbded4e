import ServiceLifecycle
import Tunnel

/// The engine as a service: on graceful shutdown, connections have until their drain limit to
/// finish.
struct EngineService: Service {
    let engine: TunnelEngine

    func run() async throws {
        await withGracefulShutdownHandler {
            await engine.run()
        } onGracefulShutdown: {
            // The callback is synchronous. `run()` returns after this shutdown, so the task cannot
            // outlive it.
            Task { await engine.shutdown() }
        }
    }
}
