import Synchronization

/// What a test waited for did not come in time.
package struct AwaitedTimeout: Error, CustomStringConvertible {
    package let description: String
}

/// State that tests wait on: every change asks each waiter whether what it wants has come.
package final class Awaited<State: Sendable>: Sendable {
    private struct Waiter: Sendable {
        let id: Int
        /// Looks at the state; what it returns wakes the waiter and is called without the lock.
        let look: @Sendable (inout State) -> (@Sendable () -> Void)?
        let cancel: @Sendable () -> Void
    }

    private struct Contents {
        var state: State
        var waiters: [Waiter] = []
        var nextID = 0

        mutating func wakeUps() -> [@Sendable () -> Void] {
            var wakeUps: [@Sendable () -> Void] = []
            waiters.removeAll { waiter in
                guard let wakeUp = waiter.look(&state) else { return false }
                wakeUps.append(wakeUp)
                return true
            }
            return wakeUps
        }
    }

    private let contents: Mutex<Contents>

    package init(_ state: State) {
        contents = Mutex(Contents(state: state))
    }

    package var current: State { contents.withLock { $0.state } }

    /// Changes the state and wakes those whose wait is over.
    @discardableResult
    package func change<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
        let (result, wakeUps) = contents.withLock { (body(&$0.state), $0.wakeUps()) }
        for wakeUp in wakeUps { wakeUp() }
        return result
    }

    /// Waits until `find` finds something in the state, which it may take out; throws `AwaitedTimeout` after `limit`.
    ///
    /// `what` completes "waited for …"; without a limit only cancellation ends the wait.
    @discardableResult
    package func wait<Found: Sendable>(
        for what: String,
        limit: Duration? = .seconds(30),
        _ find: @escaping @Sendable (inout State) -> Found?
    ) async throws -> Found {
        try await withThrowingTaskGroup(of: Found.self) { race in
            race.addTask { try await self.arrival(find) }
            if let limit {
                race.addTask {
                    try await ContinuousClock().sleep(for: limit)
                    throw AwaitedTimeout(description: "waited \(limit) for \(what); state: \(self.current)")
                }
            }
            defer { race.cancelAll() }
            guard let found = try await race.next() else { throw CancellationError() }
            return found
        }
    }

    private func arrival<Found: Sendable>(_ find: @escaping @Sendable (inout State) -> Found?) async throws -> Found {
        let id = contents.withLock { contents in
            contents.nextID += 1
            return contents.nextID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Found, any Error>) in
                let isCancelled = Task.isCancelled
                let waiter = Waiter(
                    id: id,
                    look: { state in
                        guard !isCancelled else { return { continuation.resume(throwing: CancellationError()) } }
                        guard let found = find(&state) else { return nil }
                        return { continuation.resume(returning: found) }
                    },
                    cancel: { continuation.resume(throwing: CancellationError()) }
                )
                let wakeUps = contents.withLock { contents in
                    contents.waiters.append(waiter)
                    return contents.wakeUps()
                }
                for wakeUp in wakeUps { wakeUp() }
            }
        } onCancel: {
            let waiter = contents.withLock { contents in
                contents.waiters.firstIndex { $0.id == id }.map { contents.waiters.remove(at: $0) }
            }
            waiter?.cancel()
        }
    }
}
