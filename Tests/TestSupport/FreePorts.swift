#if canImport(Glibc)
import Glibc
#endif

/// Ports of 127.0.0.1 that nothing listens on, for daemons whose manifest must name them beforehand.
package enum FreePorts {
    package struct Unavailable: Error {}

    /// Takes `count` different ports: all are bound at once, free for TCP and UDP, then let go.
    package static func take(_ count: Int) throws -> [Int] {
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        var ports: [Int] = []
        var attempts = 0
        while ports.count < count {
            attempts += 1
            guard attempts < count + 1000 else { throw Unavailable() }
            let stream = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let datagram = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            sockets += [stream, datagram]
            guard let port = bind(stream, port: 0), bind(datagram, port: port) != nil else { continue }
            ports.append(port)
        }
        return ports
    }

    private static func bind(_ socket: Int32, port: Int) -> Int? {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutableBytes(of: &address) { bytes in
            guard let base = bytes.bindMemory(to: sockaddr.self).baseAddress else { return false }
            return Glibc.bind(socket, base, length) == 0 && getsockname(socket, base, &length) == 0
        }
        return isBound ? Int(UInt16(bigEndian: address.sin_port)) : nil
    }
}
