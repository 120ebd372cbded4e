import DequeModule
import NIOPosix
import Synchronization

/// Threads for the C library's resolver, which blocks for as long as a dead name server lets it.
///
/// Names whose last look-up failed share a few of the threads, so that they cannot hold up the
/// others.
final class LookUpThreads: Sendable {
    private struct State {
        var pool: NIOThreadPool?
        var retrying = 0
        var waiting: Deque<@Sendable () -> Void> = []
    }

    private let state = Mutex(State())
    private let threads: Int
    private let retryThreads: Int

    init(threads: Int = TunnelLimits.lookUpThreads, retryThreads: Int = TunnelLimits.lookUpRetryThreads) {
        self.threads = threads
        self.retryThreads = retryThreads
    }

    deinit {
        // It ends its threads when they have nothing left to do.
        state.withLock { $0.pool }?.shutdownGracefully { _ in }
    }

    /// Runs `body` on a thread of its own; one of a name that failed before may have to wait for
    /// its turn.
    func run(isRetry: Bool, _ body: @escaping @Sendable () -> Void) {
        guard isRetry else { return submit(body) }
        let isFree = state.withLock { state in
            guard state.retrying < retryThreads else {
                state.waiting.append(body)
                return false
            }
            state.retrying += 1
            return true
        }
        if isFree { submitRetry(body) }
    }

    private func submitRetry(_ body: @escaping @Sendable () -> Void) {
        submit { [weak self] in
            body()
            self?.retryEnded()
        }
    }

    private func retryEnded() {
        let next = state.withLock { state in
            let next = state.waiting.popFirst()
            if next == nil { state.retrying -= 1 }
            return next
        }
        if let next { submitRetry(next) }
    }

    private func submit(_ body: @escaping @Sendable () -> Void) {
        let pool = state.withLock { state in
            // Most daemons have literal addresses only and need none of the threads.
            if let pool = state.pool { return pool }
            let pool = NIOThreadPool(numberOfThreads: threads)
            pool.start()
            state.pool = pool
            return pool
        }
        pool.submit { _ in body() }
    }
}
