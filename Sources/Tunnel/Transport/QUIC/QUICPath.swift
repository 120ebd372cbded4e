#if QUIC
import CQUIC
import Glibc
import NIOCore

/// The id that packets of a connection carry: up to 20 bytes (RFC 9000 §17.2).
struct QUICID: Hashable {
    private let words: (UInt64, UInt64, UInt64)
    private let length: Int

    static let longest = 20

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        length = min(bytes.count, Self.longest)
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        withUnsafeMutableBytes(of: &words) {
            $0.copyMemory(
                from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[..<min(bytes.count, Self.longest)])
            )
        }
        self.words = words
    }

    static func == (left: QUICID, right: QUICID) -> Bool {
        left.words == right.words && left.length == right.length
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(length)
    }
}

/// From where to where packets go.
struct QUICPath {
    let local: SocketAddress
    let remote: SocketAddress

    func withAddresses<Result>(_ body: (cq_path) throws -> Result) rethrows -> Result {
        try local.withSockAddr { local, localLength in
            try remote.withSockAddr { remote, remoteLength in
                try body(
                    cq_path(
                        local: UnsafeRawPointer(local),
                        local_length: socklen_t(localLength),
                        remote: UnsafeRawPointer(remote),
                        remote_length: socklen_t(remoteLength)
                    )
                )
            }
        }
    }
}

/// A UDP socket for QUIC, and the buffer that its packets are put together in.
///
/// NIO's channel owns the descriptor and reads from it. Packets are sent here, many in one call: NIO would
/// close the channel for errors that are no more than lost packets.
final class QUICSocket {
    let pointer: UnsafeMutablePointer<cq_socket>
    let isWildcard: Bool
    private(set) var localAddress: SocketAddress

    var descriptor: CInt { pointer.pointee.descriptor }

    /// Binds to an address; throws `IOError`.
    ///
    /// Connections of a server that has given the address up may still have it, each for its own peer: then it is
    /// shared with those, and only those.
    convenience init(boundTo address: SocketAddress) throws {
        let descriptor = try Self.makeSocket(address)
        do {
            do {
                try Self.bind(descriptor, to: address)
            } catch let error as IOError where error.errnoCode == EADDRINUSE {
                Self.share(descriptor, true)
                try Self.bind(descriptor, to: address)
                Self.share(descriptor, false)
            }
        } catch {
            _ = Glibc.close(descriptor)
            throw error
        }
        try self.init(descriptor: descriptor, address)
    }

    /// One that takes over a connection of `socket`, which goes on until it is closed.
    ///
    /// The kernel prefers a connected socket. Throws `IOError`.
    convenience init(takingOver path: QUICPath, from socket: QUICSocket) throws {
        let descriptor = try Self.makeSocket(path.local)
        do {
            Self.share(socket.descriptor, true)
            Self.share(descriptor, true)
            try Self.bind(descriptor, to: path.local)
            let result = path.remote.withSockAddr { Glibc.connect(descriptor, $0, socklen_t($1)) }
            guard result == 0 else { throw IOError(errnoCode: errno, reason: "connect") }
        } catch {
            _ = Glibc.close(descriptor)
            throw error
        }
        try self.init(descriptor: descriptor, path.local)
    }

    private init(descriptor: CInt, _ address: SocketAddress) throws {
        isWildcard = address.ipAddress == "0.0.0.0" || address.ipAddress == "::"
        pointer = .allocate(capacity: 1)
        localAddress = Self.localAddress(of: descriptor) ?? address
        for option in [SO_RCVBUF, SO_SNDBUF] {
            var size = CInt(TunnelLimits.datagramSocketBufferBytes)
            setsockopt(descriptor, SOL_SOCKET, option, &size, socklen_t(MemoryLayout<CInt>.size))
        }
        cq_prepare_socket(pointer, descriptor, address.protocol == .inet6 ? 1 : 0, isWildcard ? 1 : 0)
    }

    deinit {
        pointer.deallocate()
    }

    private static func makeSocket(_ address: SocketAddress) throws -> CInt {
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.protocol == .inet6 ? AF_INET6 : AF_INET, kind, 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        return descriptor
    }

    private static func bind(_ descriptor: CInt, to address: SocketAddress) throws {
        let result = address.withSockAddr { Glibc.bind(descriptor, $0, socklen_t($1)) }
        guard result == 0 else { throw IOError(errnoCode: errno, reason: "bind") }
    }

    /// Whether the address may be bound by others that say the same.
    private static func share(_ descriptor: CInt, _ isShared: Bool) {
        var value: CInt = isShared ? 1 : 0
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &value, socklen_t(MemoryLayout<CInt>.size))
    }

    private static func localAddress(of descriptor: CInt) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return result == 0 ? SocketAddress(storage) : nil
    }
}

extension SocketAddress {
    /// Nil for what is neither IPv4 nor IPv6.
    init?(_ storage: sockaddr_storage) {
        let family = Int32(storage.ss_family)
        let made: SocketAddress? = withUnsafeBytes(of: storage) { bytes in
            switch family {
            case AF_INET: SocketAddress(bytes.loadUnaligned(as: sockaddr_in.self))
            case AF_INET6: SocketAddress(bytes.loadUnaligned(as: sockaddr_in6.self))
            default: nil
            }
        }
        guard let made else { return nil }
        self = made
    }
}
#endif
