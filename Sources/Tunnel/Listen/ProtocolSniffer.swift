package import Config

/// Recognizes a protocol by its first bytes, on as few of them as are enough.
///
/// SOCKS4 `04 01|02` (no RFC), SOCKS5 `05 01...03` (RFC 1928, as NodePass reads it), TLS record
/// type `16` (RFC 8446 §5.1), HTTP: what `HTTPRequestLine` recognizes.
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

    package init(blocked: Set<BlockedProtocol>) {
        self.blocked = blocked
    }

    /// `followsBlank` where empty lines came before these bytes.
    package func judge(_ bytes: some Collection<UInt8>, followsBlank: Bool = false) -> Verdict {
        guard let first = bytes.first else { return .undecided }
        if first == UInt8(ascii: "\r") || first == UInt8(ascii: "\n") || followsBlank { return judgeHTTP(bytes) }
        if first == 0x16 { return verdict(.tls) }
        if first == 0x04 || first == 0x05 { return judgeSOCKS(version: first, bytes.dropFirst().first) }
        return judgeHTTP(bytes)
    }

    private func judgeSOCKS(version: UInt8, _ second: UInt8?) -> Verdict {
        guard blocked.contains(.socks) else { return .allowed }
        guard let second else { return .undecided }
        let isSOCKS = version == 4 ? (1...2).contains(second) : (1...3).contains(second)
        return isSOCKS ? .blocked(.socks) : .allowed
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

    private func verdict(_ kind: BlockedProtocol) -> Verdict {
        blocked.contains(kind) ? .blocked(kind) : .allowed
    }
}
