import FoundationEssentials
import Tunnel

/// When passes may begin, what is due with the next one, and who waits for the end of which.
struct PassSchedule: Sendable {
    private struct Waiter {
        let pass: Int
        let continuation: CheckedContinuation<Void, Never>
    }

    private let expectsManifest: Bool
    private(set) var hasDeclared = false
    /// Passes that have begun.
    private var begun = 0
    private var waiters: [Waiter] = []
    private var isOver = false
    private var isReportDue = false
    /// When the expiry sleep that is under way ends.
    private var armedExpiry: Date?

    init(expectsManifest: Bool) {
        self.expectsManifest = expectsManifest
    }

    /// Before the manifest is read nothing is known to be wanted.
    var mayReconcile: Bool { hasDeclared || !expectsManifest }

    mutating func declared() { hasDeclared = true }

    // MARK: Passes and those who wait for them

    mutating func begin() { begun += 1 }

    /// The pass that is under way, or else the last one.
    var current: Int { begun }

    /// Keeps one who waits for the end of this pass; false where no pass will come.
    mutating func wait(for pass: Int, _ continuation: CheckedContinuation<Void, Never>) -> Bool {
        guard !isOver else { return false }
        waiters.append(Waiter(pass: pass, continuation: continuation))
        return true
    }

    /// The current pass has ended: those who waited for it.
    mutating func end() -> [CheckedContinuation<Void, Never>] { take(upTo: begun) }

    /// No further pass will come: all who wait.
    mutating func finish() -> [CheckedContinuation<Void, Never>] {
        isOver = true
        return take(upTo: .max)
    }

    private mutating func take(upTo pass: Int) -> [CheckedContinuation<Void, Never>] {
        defer { waiters.removeAll { $0.pass <= pass } }
        return waiters.filter { $0.pass <= pass }.map(\.continuation)
    }

    // MARK: What is due

    mutating func reportDue() { isReportDue = true }

    /// Whether traffic is to be reported with this pass; asked once.
    mutating func takeReport() -> Bool {
        defer { isReportDue = false }
        return isReportDue
    }

    /// The next expiry, where no sleep under way ends in time for it; a sleep then counts as begun.
    mutating func armExpiry(_ next: Date?, now: Date) -> Date? {
        guard let next else { return nil }
        if let armedExpiry, armedExpiry <= next, armedExpiry > now { return nil }
        armedExpiry = next
        return next
    }

    /// The sleep has ended.
    ///
    /// By the wall clock that may have been a little early: the next pass arms it again.
    mutating func expiryDue() { armedExpiry = nil }
}
