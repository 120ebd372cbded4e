import CLinux
import Glibc
import Synchronization

/// A thread with a `ReactorCore`, and the door to it for other threads.
final class Reactor: Sendable {
    typealias Order = @Sendable (ReactorCore) -> Void

    private struct Orders {
        var waiting: [Order] = []
        var isClosed = false
    }

    private let wakeUp: Int32
    private let orders = Mutex(Orders())
    /// Pairs that were open when it last looked.
    let load = Atomic<Int>(0)

    /// Starts the thread, whose core holds at most `pipes` pipes.
    init(index: Int, pipes: Int) throws(SystemError) {
        wakeUp = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard wakeUp >= 0 else { throw SystemError(errno) }
        let core = try ReactorCore(index: index, wakeUp: wakeUp, pipes: pipes)
        let start = Unmanaged.passRetained(Start(reactor: self, core: core))
        var thread = pthread_t()
        let error = pthread_create(&thread, nil, Self.run, start.toOpaque())
        guard error == 0 else {
            start.release()
            throw SystemError(error)
        }
        pthread_detach(thread)
    }

    private static let run: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
    }

    deinit {
        _ = close(wakeUp)
    }

    /// Has this done on the reactor's thread; after `shutDown`, `otherwise` is done here instead.
    func submit(or otherwise: () -> Void = {}, _ order: @escaping Order) {
        let waiting: Int? = orders.withLock { orders in
            guard !orders.isClosed else { return nil }
            orders.waiting.append(order)
            return orders.waiting.count
        }
        if waiting == nil { otherwise() }
        if waiting == 1 { signal() }
    }

    /// Ends the thread, and every pair with it.
    func shutDown() {
        orders.withLock { $0.isClosed = true }
        signal()
    }

    private func signal() {
        _ = eventfd_write(wakeUp, 1)
    }

    private final class Start {
        let reactor: Reactor
        let core: ReactorCore

        init(reactor: Reactor, core: ReactorCore) {
            self.reactor = reactor
            self.core = core
        }

        func run() {
            // Signals are for the other threads; a write to a socket that is gone must not end the process.
            var all = sigset_t()
            sigfillset(&all)
            pthread_sigmask(SIG_BLOCK, &all, nil)
            pthread_setname_np(pthread_self(), "relay-\(core.index)")
            while reactor.turn(core) {}
        }
    }

    private func turn(_ core: ReactorCore) -> Bool {
        if core.turn() {
            var count: eventfd_t = 0
            _ = eventfd_read(wakeUp, &count)
        }
        let (waiting, isClosed) = orders.withLock { orders in
            defer { orders.waiting.removeAll() }
            return (orders.waiting, orders.isClosed)
        }
        for order in waiting { order(core) }
        load.store(core.count, ordering: .relaxed)
        return !isClosed
    }
}
