import Glibc
import NIOCore

/// A socket address as the system has it.
struct SocketBytes: @unchecked Sendable {
    private var storage = sockaddr_storage()
    private(set) var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    init() {}

    init(_ address: SocketAddress) {
        length = address.withSockAddr { source, count in
            withUnsafeMutableBytes(of: &storage) {
                $0.copyMemory(from: UnsafeRawBufferPointer(start: source, count: count))
            }
            return socklen_t(count)
        }
    }

    var family: Int32 { Int32(storage.ss_family) }

    /// Has the system fill it in.
    mutating func receive(_ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32) -> Int32 {
        withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
    }

    func use<Value>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
        withUnsafePointer(to: storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}

/// The number of an error of a system call.
struct SystemError: Error {
    let number: Int32

    init(_ number: Int32) {
        self.number = number
    }
}

extension SocketAddress {
    /// Nil for one that is not IP.
    init?(_ bytes: SocketBytes) {
        let address: SocketAddress? = bytes.use { raw, _ in
            let raw = UnsafeRawPointer(raw)
            return switch bytes.family {
            case AF_INET: SocketAddress(raw.load(as: sockaddr_in.self))
            case AF_INET6: SocketAddress(raw.load(as: sockaddr_in6.self))
            default: nil
            }
        }
        guard let address else { return nil }
        self = address
    }
}
