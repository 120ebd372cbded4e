import ServiceLifecycle
import Synchronization
import Tunnel

/// The engine as a service: on graceful shutdown, connections have until their drain limit to
/// finish, and what is left of the daemon's own limit.
struct EngineService: Service {
    let engine: TunnelEngine
    let deadline: StopDeadline

    func run() async throws {
        await withGracefulShutdownHandler {
            await engine.run()
        } onGracefulShutdown: {
            // The callback is synchronous. `run()` returns after this shutdown, so the task cannot
            // outlive it.
            Task { await engine.shutdown(within: deadline.left) }
        }
    }
}

/// When everything has to have ended, once a stop was asked for.
final class StopDeadline: Sendable {
    private let instant = Mutex<ContinuousClock.Instant?>(nil)

    /// Only the first call counts.
    func set(_ limit: Duration) {
        instant.withLock { $0 = $0 ?? .now + limit }
    }

    var left: Duration? {
        instant.withLock { $0 }.map { max(.zero, $0 - .now) }
    }
}
