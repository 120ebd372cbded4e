import CLinux
import Glibc

/// The `epoll` of a reactor.
struct EventPoll {
    let descriptor: Int32

    init() throws(SystemError) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw SystemError(errno) }
    }

    /// False where the system refuses, whose `errno` says why.
    func add(_ socket: Int32, _ kinds: UInt32, _ number: UInt64) -> Bool {
        var event = epoll_event(events: kinds, data: epoll_data(u64: number))
        return epoll_ctl(descriptor, EPOLL_CTL_ADD, socket, &event) == 0
    }

    func remove(_ socket: Int32) {
        _ = epoll_ctl(descriptor, EPOLL_CTL_DEL, socket, nil)
    }

    func close() {
        _ = Glibc.close(descriptor)
    }
}
