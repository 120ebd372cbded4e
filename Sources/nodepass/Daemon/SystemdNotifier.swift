import Glibc
import NIOCore

/// Reports the daemon's state to the service manager that set `$NOTIFY_SOCKET` (sd_notify's
/// protocol).
struct SystemdNotifier: Sendable {
    enum State: String {
        case ready = "READY=1"
        case reloading = "RELOADING=1"
        case stopping = "STOPPING=1"
        case alive = "WATCHDOG=1"
    }

    /// A path, or a name in the abstract namespace after an `@`; nil without a service manager.
    let address: String?

    /// How often to say that the daemon is alive: half of what the service manager waits before it kills it
    /// (sd_watchdog_enabled(3)); nil where it does not wait for that.
    let watchdogInterval: Duration?

    init(environment: [String: String], process: Int32 = getpid()) {
        address = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
        let isOurs = environment["WATCHDOG_PID"].map { Int32($0) == process } ?? true
        let limit = environment["WATCHDOG_USEC"].flatMap { Int64($0) } ?? 0
        watchdogInterval = address != nil && isOurs && limit > 0 ? .microseconds(limit) / 2 : nil
    }

    /// Failure is ignored: a daemon runs without a service manager too.
    func send(_ state: State) {
        guard let address else { return }
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        var path = Array(address.utf8)
        guard path.count < MemoryLayout.size(ofValue: target.sun_path) else { return }
        if path.first == UInt8(ascii: "@") { path[0] = 0 }
        withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: path) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        let message = Array((state.rawValue + Self.clock(state)).utf8)
        withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = sendto(descriptor, message, message.count, Int32(MSG_NOSIGNAL), address, length)
            }
        }
    }

    /// systemd accepts RELOADING=1 only with the time at which the reload began.
    private static func clock(_ state: State) -> String {
        guard state == .reloading else { return "" }
        // NIO's uptime is CLOCK_MONOTONIC, as the protocol requires.
        return "\nMONOTONIC_USEC=\(NIODeadline.now().uptimeNanoseconds / 1000)"
    }
}
