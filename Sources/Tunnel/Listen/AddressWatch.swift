@preconcurrency import Dispatch
import Glibc
import Synchronization

/// Calls back when an address of this machine may have come, by the kernel's notifications
/// (`rtnetlink(7)`).
///
/// The messages are only a hint: a tunnel that waits for an address tries to bind it.
package final class AddressWatch: Sendable {
    /// Of `linux/netlink.h` and `linux/rtnetlink.h`, which the C library's module does not have.
    private static let netlinkRoute: Int32 = 0
    private static let addressGroups: UInt32 = 0x10 | 0x100
    /// Changes come in bursts, as when a container starts.
    private static let pause = DispatchTimeInterval.milliseconds(200)

    /// `struct sockaddr_nl`.
    private struct NetlinkAddress {
        var family = UInt16(AF_NETLINK)
        var padding: UInt16 = 0
        var port: UInt32 = 0
        var groups = AddressWatch.addressGroups
    }

    private let source: any DispatchSourceRead

    /// Nil where the system gives no notifications, as some sandboxes do.
    package init?(onChange: @escaping @Sendable () -> Void) {
        let kind = Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_NETLINK, kind, Self.netlinkRoute)
        guard descriptor >= 0 else { return nil }
        var address = NetlinkAddress()
        let length = socklen_t(MemoryLayout<NetlinkAddress>.size)
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) == 0 }
        }
        guard isBound else {
            close(descriptor)
            return nil
        }
        let queue = DispatchQueue(label: "nodepass.addresses")
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        let isPaused = Mutex(false)
        source.setEventHandler {
            Self.drain(descriptor)
            let isFirst = isPaused.withLock { isPaused in
                defer { isPaused = true }
                return !isPaused
            }
            guard isFirst else { return }
            onChange()
            // The last of a burst must be heard, too.
            queue.asyncAfter(deadline: .now() + Self.pause) {
                isPaused.withLock { $0 = false }
                onChange()
            }
        }
        source.setCancelHandler { close(descriptor) }
        source.activate()
    }

    deinit {
        source.cancel()
    }

    private static func drain(_ descriptor: Int32) {
        withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 8) { buffer in
            // Also when messages were lost (`ENOBUFS`), which only means that something has changed.
            while recv(descriptor, buffer.baseAddress, buffer.count, 0) > 0 {}
        }
    }
}
