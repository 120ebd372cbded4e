import Glibc

/// Ports below 1024, on which Linux lets only some processes listen.
package enum PrivilegedPorts {
    /// Whether this process may: root, or with `CAP_NET_BIND_SERVICE`, as the packaged systemd unit gives it.
    package static let areAllowed =
        geteuid() == 0 || ((try? TextFile.read("/proc/self/status", limitBytes: 1 << 16)).map(isCapable) ?? false)

    /// From a process's status (proc_pid_status(5)): its effective capabilities as a hexadecimal mask.
    static func isCapable(status: String) -> Bool {
        let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        guard let digits = line?.split(whereSeparator: \.isWhitespace).last, let mask = UInt64(digits, radix: 16) else {
            return false
        }
        // CAP_NET_BIND_SERVICE (capabilities(7)).
        return mask & 1 << 10 != 0
    }
}
