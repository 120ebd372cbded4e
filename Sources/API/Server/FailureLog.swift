import Hummingbird
package import Logging
import Synchronization
import Tunnel

/// Says in the daemon's log that requests failed for a fault of ours: the first, each doubling, and one a minute.
package final class FailureLog: Sendable {
    private let logger: Logger
    private let count = Mutex(ThinnedCount())

    package init(_ logger: Logger) {
        self.logger = logger
    }

    func note(_ request: Request, _ error: any Error) {
        guard let count = count.withLock({ $0.next() }) else { return }
        logger.error(
            "API request failed",
            metadata: [
                "method": "\(request.method.rawValue)", "path": "\(request.uri.path)", "reason": "\(error)",
                "count": "\(count)",
            ]
        )
    }
}
