import Synchronization

/// Asks the loop for passes from anywhere, and reports when the first one is done.
///
/// A wake-up carries no data: any number of them before a pass begins are one.
final class WakeUps: Sendable {
    /// For the loop alone; ends with ``finish()``.
    let stream: AsyncStream<Void>
    /// Has no elements and ends when the first pass is done; for one reader.
    let readiness: AsyncStream<Never>
    private let wakeUp: AsyncStream<Void>.Continuation
    private let readinessEnd: AsyncStream<Never>.Continuation
    private let ready = Atomic<Bool>(false)

    init() {
        (stream, wakeUp) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        (readiness, readinessEnd) = AsyncStream.makeStream(of: Never.self)
    }

    var isReady: Bool { ready.load(ordering: .acquiring) }

    func wake() { wakeUp.yield() }

    func finish() { wakeUp.finish() }

    func becomeReady() {
        ready.store(true, ordering: .releasing)
        readinessEnd.finish()
    }
}
