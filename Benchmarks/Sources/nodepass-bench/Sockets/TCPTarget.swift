import CLinux
import Glibc
import Synchronization

/// Where every TCP tunnel leads to: the first byte of a connection says what it wants.
///
/// One thread echoes for all connections; each connection that only sends gets a thread of its own, which discards the
/// bytes in the kernel, so that what is measured is the subject and not the target.
final class TCPTarget: Sendable {
    static let echo = UInt8(ascii: "e")
    static let sink = UInt8(ascii: "s")

    private static let bufferBytes = 64 << 10
    private static let discardBytes = 4 << 20
    private static let descriptorLimit = 1 << 20

    let port: UInt16
    /// Bytes that sinks have taken.
    let received = Atomic<Int>(0)
    /// Sinks whose connection is open.
    let sinks = Atomic<Int>(0)
    private let listener: Socket

    init() throws {
        listener = try Socket.listener(port: Ports.free())
        port = listener.port
    }

    func start() {
        _ = Worker { self.run() }
    }

    /// Waits until what earlier connections left in buffers has arrived or is lost.
    func awaitQuiet() {
        let deadline = Seconds.now + 5
        while sinks.load(ordering: .relaxed) > 0, Seconds.now < deadline { Seconds.sleep(0.01) }
    }

    private func run() {
        let poll = epoll_create1(0)
        watch(listener.descriptor, in: poll)
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        var hasSpoken = [Bool](repeating: false, count: Self.descriptorLimit)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferBytes, alignment: 64)
        while true {
            let count = epoll_wait(poll, &events, Int32(events.count), -1)
            guard count > 0 else { continue }
            for event in events.prefix(Int(count)) {
                let descriptor = event.data.fd
                if descriptor == listener.descriptor {
                    let connection = clinux_accept(descriptor)
                    guard connection >= 0 else { continue }
                    hasSpoken[Int(connection)] = false
                    watch(connection, in: poll)
                    continue
                }
                let size = recv(descriptor, buffer.baseAddress, buffer.count, 0)
                guard size > 0 else {
                    _ = close(descriptor)
                    continue
                }
                if !hasSpoken[Int(descriptor)], buffer[0] == Self.sink {
                    _ = epoll_ctl(poll, EPOLL_CTL_DEL, descriptor, nil)
                    drain(descriptor, after: size)
                } else {
                    hasSpoken[Int(descriptor)] = true
                    _ = send(descriptor, buffer.baseAddress, size, Int32(MSG_NOSIGNAL))
                }
            }
        }
    }

    private func watch(_ descriptor: Int32, in poll: Int32) {
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(fd: descriptor))
        _ = epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event)
    }

    private func drain(_ descriptor: Int32, after size: Int) {
        received.add(size, ordering: .relaxed)
        sinks.add(1, ordering: .relaxed)
        _ = Worker {
            while true {
                let size = clinux_discard(descriptor, Self.discardBytes)
                guard size > 0 else { break }
                self.received.add(size, ordering: .relaxed)
            }
            _ = close(descriptor)
            self.sinks.subtract(1, ordering: .relaxed)
        }
    }
}
