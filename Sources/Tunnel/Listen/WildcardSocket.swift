import Glibc
import NIOCore

/// A UDP socket that is bound to every address of the machine, and sends from the one that was asked.
///
/// Left alone the kernel chooses the source by the route back. On a machine with several addresses
/// that may be another one than the user asked, and clients of DNS, WireGuard and QUIC drop such
/// answers. NIO reports where a datagram arrived (`receivePacketInfo`), but cannot say where one
/// leaves from, so replies go to the descriptor directly.
struct WildcardSocket: Sendable {
    /// NIO's channel owns it and closes it: send only while the channel is active.
    let descriptor: CInt
    private let isIPv6: Bool

    /// Throws `IOError`.
    init(boundTo address: SocketAddress) throws {
        isIPv6 = address.protocol == .inet6
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        descriptor = socket(isIPv6 ? AF_INET6 : AF_INET, kind, 0)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        let result = address.withSockAddr { bind(descriptor, $0, socklen_t($1)) }
        guard result == 0 else {
            let error = IOError(errnoCode: errno, reason: "bind")
            _ = Glibc.close(descriptor)
            throw error
        }
    }

    /// Sends one datagram; false where the kernel has no room for it now.
    ///
    /// `source` is where the user's datagram arrived. Where the kernel cannot send from there, as
    /// from a broadcast address, it chooses. One that cannot be sent at all is dropped.
    func send(_ datagram: ByteBuffer, to user: SocketAddress, from source: NIOPacketInfo) -> Bool {
        let control = ControlMessage(source, isIPv6: isIPv6)
        if send(datagram, to: user, control) { return true }
        guard errno != EAGAIN, errno != ENOBUFS else { return false }
        return control == nil || send(datagram, to: user, nil) || errno != EAGAIN && errno != ENOBUFS
    }

    private func send(_ datagram: ByteBuffer, to user: SocketAddress, _ control: ControlMessage?) -> Bool {
        datagram.withUnsafeReadableBytes { bytes in
            user.withSockAddr { address, length in
                var vector = iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
                return withUnsafeMutablePointer(to: &vector) { vector in
                    var message = msghdr()
                    message.msg_name = UnsafeMutableRawPointer(mutating: address)
                    message.msg_namelen = socklen_t(length)
                    message.msg_iov = vector
                    message.msg_iovlen = 1
                    guard var control else { return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL)) >= 0 }
                    return withUnsafeMutableBytes(of: &control) { control in
                        message.msg_control = control.baseAddress
                        message.msg_controllen = isIPv6 ? ControlMessage.ipv6Length : ControlMessage.ipv4Length
                        return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL)) >= 0
                    }
                }
            }
        }
    }
}

/// Linux's `cmsghdr` with an `in_pktinfo` or `in6_pktinfo` behind it (`ip(7)`, `ipv6(7)`).
private struct ControlMessage {
    /// `CMSG_SPACE` of 12 and of 20 bytes.
    static let ipv4Length = 32
    static let ipv6Length = 40

    /// `cmsghdr`: 16 bytes on 64-bit machines.
    private let length: Int
    private let level: Int32
    private let type: Int32
    private var payload: (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0, 0, 0)

    /// Nil for an address that nothing can be sent from.
    init?(_ source: NIOPacketInfo, isIPv6: Bool) {
        // Of `sockaddr_in` the address begins at byte 4, of `sockaddr_in6` at byte 8.
        let (start, count) = isIPv6 ? (8, 4) : (4, 1)
        let words = source.destinationAddress.withSockAddr { address, length -> [UInt32] in
            guard length >= start + count * 4 else { return [] }
            let bytes = UnsafeRawPointer(address)
            return (0..<count).map { bytes.loadUnaligned(fromByteOffset: start + $0 * 4, as: UInt32.self) }
        }
        guard source.destinationAddress.protocol == (isIPv6 ? .inet6 : .inet), words.count == count else { return nil }
        let (first, second) = (words[0] & 0xff, words[0] >> 8 & 0xff)
        if isIPv6 {
            guard first != 0xff else { return nil }
            (length, level, type) = (16 + 20, Int32(IPPROTO_IPV6), IPV6_PKTINFO)
            (payload.0, payload.1, payload.2, payload.3) = (words[0], words[1], words[2], words[3])
            // A link-local address is one only together with its interface.
            if first == 0xfe, second & 0xc0 == 0x80 { payload.4 = UInt32(clamping: source.interfaceIndex) }
        } else {
            let isMulticast = first >> 4 == 0xe
            guard !isMulticast, words[0] != .max else { return nil }
            (length, level, type) = (16 + 12, Int32(IPPROTO_IP), IP_PKTINFO)
            // The interface is left to the routes; the source is `ipi_spec_dst`.
            payload.1 = words[0]
        }
    }
}
