/// An IPv4 or IPv6 address as its bytes; an IPv4-mapped IPv6 address is the IPv4 address it
/// carries.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// 4 or 16 bytes in network order.
    package let bytes: [UInt8]

    /// Takes raw network-order bytes: 4 or 16 of them.
    package init?(bytes: [UInt8]) {
        switch bytes.count {
        case 4:
            self.bytes = bytes
        case 16:
            let mapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
            self.bytes = mapped ? Array(bytes[12...]) : bytes
        default:
            return nil
        }
    }

    /// Reads a literal address, `10.0.0.1` or `2001:db8::1`; never a name.
    package init?(_ text: some StringProtocol) {
        if text.utf8.contains(UInt8(ascii: ":")) {
            guard let bytes = IPAddress.ipv6Bytes(text) else { return nil }
            self.init(bytes: bytes)
        } else {
            guard let bytes = IPAddress.ipv4Bytes(text) else { return nil }
            self.init(bytes: bytes)
        }
    }

    package var isIPv4: Bool { bytes.count == 4 }

    package var description: String {
        if isIPv4 { return bytes.map(String.init).joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
        let hex = groups.map { String($0, radix: 16) }
        guard let zeros = IPAddress.longestZeroRun(groups) else { return hex.joined(separator: ":") }
        return hex[..<zeros.lowerBound].joined(separator: ":") + "::" + hex[zeros.upperBound...].joined(separator: ":")
    }

    /// What `::` replaces in the text: the first longest run of two or more zero groups (RFC 5952
    /// §4.2).
    private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int>? {
        var best: Range<Int>?
        var start = 0
        for index in groups.indices {
            if groups[index] != 0 {
                start = index + 1
            } else if index + 1 - start > max(best?.count ?? 0, 1) {
                best = start..<index + 1
            }
        }
        return best
    }

    private static func ipv4Bytes(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        for part in text.utf8.split(separator: UInt8(ascii: "."), maxSplits: 4, omittingEmptySubsequences: false) {
            let isDecimal = (1...3).contains(part.count) && part.allSatisfy { (48...57).contains($0) }
            // A leading zero means octal to some.
            guard isDecimal, part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            guard let byte = UInt8(exactly: part.reduce(0) { $0 * 10 + Int($1 - 48) }) else { return nil }
            bytes.append(byte)
        }
        return bytes.count == 4 ? bytes : nil
    }

    /// RFC 4291 §2.2: eight groups, one `::`, an optional dotted IPv4 tail.
    private static func ipv6Bytes(_ text: some StringProtocol) -> [UInt8]? {
        let halves = String(text).split(separator: "::", maxSplits: 2, omittingEmptySubsequences: false)
        guard halves.count <= 2 else { return nil }
        var groups: [[UInt8]] = []
        for half in halves {
            guard let bytes = ipv6Groups(half) else { return nil }
            groups.append(bytes)
        }
        if groups.count == 1 { return groups[0].count == 16 ? groups[0] : nil }
        let missing = 16 - groups[0].count - groups[1].count
        guard missing >= 2 else { return nil }
        return groups[0] + [UInt8](repeating: 0, count: missing) + groups[1]
    }

    private static func ipv6Groups(_ text: Substring) -> [UInt8]? {
        if text.isEmpty { return [] }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var bytes: [UInt8] = []
        for (index, part) in parts.enumerated() {
            if part.contains("."), index == parts.count - 1 {
                guard let tail = ipv4Bytes(part) else { return nil }
                bytes += tail
                continue
            }
            guard (1...4).contains(part.count), part.allSatisfy(\.isHexDigit), let group = UInt16(part, radix: 16)
            else { return nil }
            bytes += [UInt8(group >> 8), UInt8(group & 0xff)]
        }
        return bytes.count <= 16 ? bytes : nil
    }
}
