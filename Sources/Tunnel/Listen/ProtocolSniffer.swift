package import Config

/// Recognizes a protocol by its first bytes, on as few of them as are enough.
///
/// SOCKS4: `04 01|02` (no RFC). SOCKS5: `05`, how many methods (1 to 3, as NodePass reads it), and
/// that many methods (RFC 1928 §3). TLS: `16`, a version and a length that the head of a record may
/// have (RFC 8446 §5.1). HTTP: what `HTTPRequestLine` recognizes.
package struct ProtocolSniffer: Sendable {
    package enum Verdict: Sendable, Hashable {
        /// It is this one, and it is blocked.
        case blocked(BlockedProtocol)
        /// It cannot become a blocked one any more.
        case allowed
        /// These bytes can still become either.
        case undecided
        /// Empty lines, which may stand before an HTTP request: what follows has to be judged.
        case blank
    }

    private let blocked: Set<BlockedProtocol>

    private static let tlsHeadBytes = 5
    /// What TLS 1.2 allows an encrypted record, the longest there is.
    private static let tlsRecordBytes = 1...(1 << 14) + 2048

    package init(blocked: Set<BlockedProtocol>) {
        self.blocked = blocked
    }

    /// `followsBlank` where empty lines came before these bytes.
    package func judge(_ bytes: some Collection<UInt8>, followsBlank: Bool = false) -> Verdict {
        guard let first = bytes.first else { return .undecided }
        if first == UInt8(ascii: "\r") || first == UInt8(ascii: "\n") || followsBlank { return judgeHTTP(bytes) }
        switch first {
        case 0x16: return judgeTLS(Array(bytes.prefix(Self.tlsHeadBytes)))
        case 0x04: return judgeSOCKS4(command: bytes.dropFirst().first)
        case 0x05: return judgeSOCKS5(bytes.dropFirst())
        default: return judgeHTTP(bytes)
        }
    }

    /// Of the head of a record.
    private func judgeTLS(_ head: [UInt8]) -> Verdict {
        guard blocked.contains(.tls) else { return .allowed }
        if head.count > 1, head[1] != 0x03 { return .allowed }
        if head.count > 2, head[2] > 0x04 { return .allowed }
        guard head.count == Self.tlsHeadBytes else { return .undecided }
        let length = Int(head[3]) << 8 | Int(head[4])
        return Self.tlsRecordBytes.contains(length) ? .blocked(.tls) : .allowed
    }

    private func judgeSOCKS4(command: UInt8?) -> Verdict {
        guard blocked.contains(.socks) else { return .allowed }
        guard let command else { return .undecided }
        return (1...2).contains(command) ? .blocked(.socks) : .allowed
    }

    /// Of what follows the version.
    private func judgeSOCKS5(_ bytes: some Collection<UInt8>) -> Verdict {
        guard blocked.contains(.socks) else { return .allowed }
        guard let count = bytes.first else { return .undecided }
        guard (1...3).contains(count) else { return .allowed }
        let methods = bytes.dropFirst().prefix(Int(count))
        guard methods.allSatisfy(Self.isSOCKSMethod) else { return .allowed }
        return methods.count == Int(count) ? .blocked(.socks) : .undecided
    }

    /// Those that IANA has assigned, and the private ones.
    private static func isSOCKSMethod(_ byte: UInt8) -> Bool {
        (0x00...0x09).contains(byte) || (0x80...0xFE).contains(byte)
    }

    /// RFC 9112 §2.2: a server ignores empty lines before a request.
    private func judgeHTTP(_ bytes: some Collection<UInt8>) -> Verdict {
        guard blocked.contains(.http) else { return .allowed }
        let line = bytes.drop { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: "\n") }
        if line.isEmpty { return .blank }
        switch HTTPRequestLine.recognize(line) {
        case true?: return .blocked(.http)
        case false?: return .allowed
        case nil: return .undecided
        }
    }
}
