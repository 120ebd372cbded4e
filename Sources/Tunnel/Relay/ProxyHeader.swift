package import Config
package import NIOCore

/// The header by which a target learns the user's address: PROXY protocol versions 1 and 2
/// (haproxy's `proxy-protocol.txt`).
package enum ProxyHeader {
    /// The header's bytes, or nil for `off` and for addresses that are not IP.
    package static func bytes(
        _ version: ProxyProtocol,
        user: SocketAddress,
        target: SocketAddress,
        allocator: ByteBufferAllocator
    ) -> ByteBuffer? {
        guard
            version != .off,
            let source = IPAddress(user), let destination = IPAddress(target),
            let sourcePort = user.port, let destinationPort = target.port
        else { return nil }
        var buffer = allocator.buffer(capacity: 108)
        if version == .v1 {
            // Strict parsers take addresses of one family only; where the two differ, the IPv4 one
            // is written as IPv6.
            let isIPv4 = source.isIPv4 && destination.isIPv4
            let addresses = [source, destination].map { isIPv4 ? $0.description : $0.mappedText }
            let ports = [sourcePort, destinationPort].map(String.init)
            let line = ["PROXY", isIPv4 ? "TCP4" : "TCP6"] + addresses + ports
            buffer.writeString(line.joined(separator: " ") + "\r\n")
        } else {
            writeV2(&buffer, source, UInt16(sourcePort), destination, UInt16(destinationPort))
        }
        return buffer
    }

    private static func writeV2(
        _ buffer: inout ByteBuffer,
        _ source: IPAddress,
        _ sourcePort: UInt16,
        _ destination: IPAddress,
        _ destinationPort: UInt16
    ) {
        let isIPv4 = source.isIPv4 && destination.isIPv4
        buffer.writeBytes([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a])
        // Version 2, command PROXY; then the address family with SOCK_STREAM.
        buffer.writeBytes([0x21, isIPv4 ? 0x11 : 0x21])
        buffer.writeInteger(UInt16(isIPv4 ? 12 : 36))
        buffer.writeBytes(isIPv4 ? source.bytes : source.mappedBytes)
        buffer.writeBytes(isIPv4 ? destination.bytes : destination.mappedBytes)
        buffer.writeInteger(sourcePort)
        buffer.writeInteger(destinationPort)
    }
}

extension IPAddress {
    /// The address of a socket; nil for a Unix one.
    package init?(_ address: SocketAddress) {
        guard let text = address.ipAddress else { return nil }
        self.init(text)
    }

    /// IPv6 whatever the family: an IPv4 address in its IPv4-mapped form.
    fileprivate var mappedText: String { isIPv4 ? "::ffff:\(self)" : description }

    /// 16 bytes whatever the family: an IPv4 address in its IPv4-mapped form.
    var mappedBytes: [UInt8] {
        isIPv4 ? [UInt8](repeating: 0, count: 10) + [0xff, 0xff] + bytes : bytes
    }
}
