import Glibc

/// An IPv4 address and port, which is all that a benchmark on loopback needs.
struct Address: Sendable {
    static let loopback: UInt32 = 0x7F00_0001

    var host: UInt32 = Address.loopback
    var port: UInt16

    /// Calls `body` with the form that the system takes.
    func withSystemForm<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var form = sockaddr_in()
        form.sin_family = sa_family_t(AF_INET)
        form.sin_port = port.bigEndian
        form.sin_addr.s_addr = host.bigEndian
        return withUnsafePointer(to: &form) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
