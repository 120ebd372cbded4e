import Synchronization
package import Tunnel

/// The recent lines of every tunnel's log, and those who follow them.
///
/// Nothing waits for a reader and no reader has a queue: a follower remembers the number of the last line it has taken, and
/// reads on from the ring. One that is slower than its tunnel misses the oldest lines and learns how many.
package final class LogBook: Sendable {
    package struct TooManyFollowers: Error, Hashable {}

    fileprivate enum Step {
        case batch(LogBatch)
        /// Ends when there is something to take.
        case wait(AsyncStream<Never>)
        case end
    }

    fileprivate struct Follower {
        let id: InstanceID
        var cursor: Int
        /// Ends when it has taken what is there.
        var isEnding = false
        var isPoked = false
        var waiter: AsyncStream<Never>.Continuation?
    }

    fileprivate struct State {
        var rings: LogRings
        var followers: [Int: Follower] = [:]
        var nextNumber = 0
    }

    package let limits: LogLimits
    private let state: Mutex<State>

    package init(limits: LogLimits = LogLimits()) {
        self.limits = limits
        state = Mutex(State(rings: LogRings(limits: limits)))
    }

    package var followerCount: Int { state.withLock { $0.followers.count } }

    package func append(_ line: TunnelLogLine) {
        let waiters = state.withLock { state in
            state.rings.append(line)
            return state.takeWaiters(of: line.id)
        }
        for waiter in waiters { waiter.finish() }
    }

    /// The newest lines of one log, oldest first.
    package func tail(_ id: InstanceID, _ count: Int) -> [TunnelLogLine] {
        state.withLock { $0.rings.tail(id, count) }
    }

    /// Follows one log, beginning with its newest `count` lines.
    package func follow(_ id: InstanceID, tail count: Int) throws(TooManyFollowers) -> LogFollowing {
        let number = try state.withLock { state throws(TooManyFollowers) in
            guard state.followers.count < limits.followers else { throw TooManyFollowers() }
            state.nextNumber += 1
            let cursor = state.rings.cursor(id, before: count)
            state.followers[state.nextNumber] = Follower(id: id, cursor: cursor)
            return state.nextNumber
        }
        return LogFollowing(book: self, number: number)
    }

    /// Ends what follows an instance that is gone, after the lines that are there.
    package func endFollowing(_ id: InstanceID) {
        end { $0.id == id }
    }

    /// Ends every follower: the daemon stops, or the key they came with is no longer valid.
    package func endFollowing() {
        end { _ in true }
    }

    /// Drops the lines of an instance that does not come back.
    package func forget(_ id: InstanceID) {
        state.withLock { $0.rings.forget(id) }
        endFollowing(id)
    }

    private func end(where isOver: (Follower) -> Bool) {
        let waiters = state.withLock { state in
            let over = state.followers.filter { isOver($0.value) }
            for number in over.keys { state.followers[number]?.isEnding = true }
            return over.values.compactMap(\.waiter)
        }
        for waiter in waiters { waiter.finish() }
    }
}

extension LogBook.State {
    fileprivate mutating func takeWaiters(of id: InstanceID) -> [AsyncStream<Never>.Continuation] {
        var waiters: [AsyncStream<Never>.Continuation] = []
        for (number, follower) in followers where follower.id == id {
            if let waiter = follower.waiter { waiters.append(waiter) }
            followers[number]?.waiter = nil
        }
        return waiters
    }

    fileprivate mutating func take(_ number: Int) -> LogBook.Step {
        guard let follower = followers[number] else { return .end }
        if let batch = rings.lines(follower.id, after: follower.cursor) {
            followers[number]?.cursor += batch.missed + batch.lines.count
            return .batch(batch)
        }
        guard !follower.isEnding else {
            followers[number] = nil
            return .end
        }
        guard !follower.isPoked else {
            followers[number]?.isPoked = false
            return .batch(LogBatch(missed: 0, lines: []))
        }
        let (stream, continuation) = AsyncStream.makeStream(of: Never.self)
        followers[number]?.waiter = continuation
        return .wait(stream)
    }
}

// MARK: - One follower's side

extension LogBook {
    fileprivate func next(for number: Int) async -> LogBatch? {
        while !Task.isCancelled {
            switch state.withLock({ $0.take(number) }) {
            case .batch(let batch): return batch
            case .wait(let news): for await _ in news {}
            case .end: return nil
            }
        }
        return nil
    }

    fileprivate func poke(_ number: Int) {
        let waiter = state.withLock { state in
            state.followers[number]?.isPoked = true
            return state.followers[number]?.waiter
        }
        waiter?.finish()
    }

    fileprivate func end(_ number: Int) {
        state.withLock { $0.followers.removeValue(forKey: number) }?.waiter?.finish()
    }
}

/// Follows one log; for one reader, and over with its last reference.
package final class LogFollowing: Sendable {
    private let book: LogBook
    private let number: Int

    fileprivate init(book: LogBook, number: Int) {
        self.book = book
        self.number = number
    }

    deinit {
        book.end(number)
    }

    /// Has the next call of ``next()`` return at once, with no lines if there are none.
    package func poke() {
        book.poke(number)
    }

    /// The next lines, when there are any; nil at the end, and for a task that is cancelled, which may ask again later.
    package func next() async -> LogBatch? {
        await book.next(for: number)
    }

    /// Ends it; a reader that waits gets nil.
    package func end() {
        book.end(number)
    }
}
