import Glibc
import NIOCore

/// Tells the service manager how we are, where it asked for that with `$NOTIFY_SOCKET` (sd_notify's protocol).
struct SystemdNotifier: Sendable {
    enum State: String {
        case ready = "READY=1"
        case reloading = "RELOADING=1"
        case stopping = "STOPPING=1"
    }

    /// A path, or a name in the abstract namespace after an `@`; nil where nobody listens.
    let address: String?

    init(environment: [String: String]) {
        address = environment["NOTIFY_SOCKET"].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Best effort: a manager that does not listen is no reason to fail.
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

    /// A reload is only believed with the time it began.
    private static func clock(_ state: State) -> String {
        guard state == .reloading else { return "" }
        // NIO's uptime is CLOCK_MONOTONIC, which the protocol asks for.
        return "\nMONOTONIC_USEC=\(NIODeadline.now().uptimeNanoseconds / 1000)"
    }
}
