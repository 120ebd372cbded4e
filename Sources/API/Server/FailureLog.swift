import Hummingbird
package import Logging
import Reconciler
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
        let words =
            switch error {
            case MutationError.storage(let error): error.description
            case let error as StateStoreError: error.description
            default: ErrorText.words(for: error)
            }
        logger.debug("API request failed, as the program sees it", metadata: ["error": "\(error)"])
        logger.error(
            "API request failed",
            metadata: [
                "method": "\(request.method.rawValue)", "path": "\(request.uri.path)", "reason": "\(words)",
                "count": "\(count)",
            ]
        )
    }
}
