import CLinux
import Glibc
import Synchronization

/// One thread that reads the streams of many subscribers and notes how long each event was under way.
///
/// A daemon with 2 cores shares them with it: an event costs a `recv`, a search for one byte and a bit in a table.
final class EventReader: Sendable {
    struct Tally: Sendable {
        var latencies: Latencies
        /// Streams that ended.
        var cut = 0
    }

    private static let pieceBytes = 256 << 10
    private static let eventsPerTurn = 256
    private static let turnMilliseconds: Int32 = 50

    /// Events that have arrived, each counted once for each subscriber.
    let arrived = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)
    private let tally: Mutex<Tally>
    private let worker = Mutex<Worker?>(nil)

    /// Reads `sockets` until it is stopped; marks with a number of `limit` or above are not of this run.
    init(_ sockets: [Socket], limit: Int) {
        tally = Mutex(Tally(latencies: Latencies(reserving: 0)))
        let worker = Worker {
            let tally = self.run(sockets, limit)
            self.tally.withLock { $0 = tally }
        }
        self.worker.withLock { $0 = worker }
    }

    func stop() -> Tally {
        isStopping.store(true, ordering: .relaxed)
        worker.withLock { $0 }?.join()
        return tally.withLock { $0 }
    }

    private func run(_ sockets: [Socket], _ limit: Int) -> Tally {
        var tally = Tally(latencies: Latencies(reserving: sockets.count * limit))
        let poll = epoll_create1(0)
        defer { close(poll) }
        for (index, socket) in sockets.enumerated() {
            var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u32: UInt32(index)))
            _ = epoll_ctl(poll, EPOLL_CTL_ADD, socket.descriptor, &event)
        }
        // What is left of each stream, in front of which its next piece belongs.
        let keep = EventMark.limitBytes - 1
        var rests = [UInt8](repeating: 0, count: sockets.count * keep)
        var seen = [Bool](repeating: false, count: sockets.count * limit)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: keep + Self.pieceBytes, alignment: 64)
        defer { buffer.deallocate() }
        var ready = [epoll_event](repeating: epoll_event(), count: Self.eventsPerTurn)
        while !isStopping.load(ordering: .relaxed) {
            let count = epoll_wait(poll, &ready, Int32(ready.count), Self.turnMilliseconds)
            var new = 0
            for place in 0..<max(0, Int(count)) {
                let index = Int(ready[place].data.u32)
                let descriptor = sockets[index].descriptor
                let size = recv(descriptor, buffer.baseAddress.map { $0 + keep }, Self.pieceBytes, 0)
                guard size > 0 else {
                    tally.cut += 1
                    _ = epoll_ctl(poll, EPOLL_CTL_DEL, descriptor, nil)
                    continue
                }
                let now = Seconds.now
                rests.withUnsafeMutableBytes { rests in
                    let rest = UnsafeMutableRawBufferPointer(rebasing: rests[index * keep..<(index + 1) * keep])
                    buffer.copyMemory(from: UnsafeRawBufferPointer(rest))
                    let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<(keep + size)])
                    EventMark.forEach(in: bytes) { number, seconds in
                        // Reports repeat the alias every few seconds.
                        guard number < limit, !seen[index * limit + number] else { return }
                        seen[index * limit + number] = true
                        tally.latencies.add(now - seconds)
                        new += 1
                    }
                    rest.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.suffix(keep)))
                }
            }
            if new > 0 { arrived.add(new, ordering: .relaxed) }
        }
        return tally
    }
}
