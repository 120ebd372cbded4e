import Glibc
import Synchronization

/// Ports of 127.0.0.1 that nothing listens on, for daemons whose manifest must name them beforehand.
///
/// They lie below the range the system takes clients' ports from, and each is given out once: a port that a test has let
/// go stays unused, so that tests running beside it cannot answer there.
package enum FreePorts {
    package struct Unavailable: Error {}

    private static let range = 10_000..<32_000
    private static let next = Mutex(range.lowerBound + Int(getpid()) * 97 % range.count)

    package static func one() throws -> Int {
        guard let port = try take(1).first else { throw Unavailable() }
        return port
    }

    /// Takes `count` different ports that are free for TCP and UDP.
    package static func take(_ count: Int) throws -> [Int] {
        try next.withLock { next in
            var ports: [Int] = []
            for _ in range {
                guard ports.count < count else { return ports }
                next = range.contains(next + 1) ? next + 1 : range.lowerBound
                if isFree(next, SOCK_STREAM), isFree(next, SOCK_DGRAM) { ports.append(next) }
            }
            throw Unavailable()
        }
    }

    private static func isFree(_ port: Int, _ type: __socket_type) -> Bool {
        let descriptor = socket(AF_INET, Int32(type.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        return withUnsafeMutableBytes(of: &address) { bytes in
            guard let base = bytes.bindMemory(to: sockaddr.self).baseAddress else { return false }
            return bind(descriptor, base, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}
