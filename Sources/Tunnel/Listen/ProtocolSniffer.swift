package import Config

/// Recognizes a protocol by its first bytes, on as few of them as are enough.
///
/// SOCKS4 `04 01|02` (no RFC), SOCKS5 `05 01...03` (RFC 1928, as NodePass reads it), TLS record
/// type `16` (RFC 8446 §5.1), HTTP: upper-case letters and a space (RFC 9112 §3).
package struct ProtocolSniffer: Sendable {
    package enum Verdict: Sendable, Hashable {
        /// It is this one, and it is blocked.
        case blocked(BlockedProtocol)
        /// It cannot become a blocked one any more.
        case allowed
        /// These bytes can still become either.
        case undecided
    }

    /// The longest HTTP method looked for; the registered ones have at most 17 letters
    /// (`UPDATEREDIRECTREF`).
    package static let methodLimit = 20

    private let blocked: Set<BlockedProtocol>

    package init(blocked: Set<BlockedProtocol>) {
        self.blocked = blocked
    }

    package func judge(_ bytes: some Collection<UInt8>) -> Verdict {
        guard let first = bytes.first else { return .undecided }
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

    private func judgeHTTP(_ bytes: some Collection<UInt8>) -> Verdict {
        guard blocked.contains(.http) else { return .allowed }
        let letters = bytes.prefix { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }.count
        guard letters > 0, letters <= Self.methodLimit else { return .allowed }
        guard let next = bytes.dropFirst(letters).first else { return .undecided }
        return next == UInt8(ascii: " ") ? .blocked(.http) : .allowed
    }

    private func verdict(_ kind: BlockedProtocol) -> Verdict {
        blocked.contains(kind) ? .blocked(kind) : .allowed
    }
}
