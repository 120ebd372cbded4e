import Crypto
import FoundationEssentials

/// Which end of the wire: the client dials and the server accepts, whichever way users come.
package enum SessionSide: String, Sendable, Hashable {
    case server
    case client

    var other: SessionSide { self == .server ? .client : .server }
}

/// What two of ours derive for one session from the tunnel key and the nonce in the server's reply.
///
/// HKDF-SHA256 (RFC 5869), the nonce as salt, one label for each use. Whoever knows the tunnel key and saw the handshake
/// can derive it too: it keeps out those who do not have the key.
struct SessionSecret: Sendable {
    private let tunnelKey: SymmetricKey
    private let nonce: [UInt8]

    init(tunnelKey: String, nonce: [UInt8]) {
        self.tunnelKey = SymmetricKey(data: Array(tunnelKey.utf8))
        self.nonce = nonce
    }

    static let nonceLengthBytes = 16

    static func makeNonce() -> [UInt8] {
        var random = SystemRandomNumberGenerator()
        return (0..<nonceLengthBytes).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    }

    func signalKey(from side: SessionSide) -> SymmetricKey {
        derive("nodepass signals from \(side.rawValue)")
    }

    /// What a client sends first on its `number`th link, so that a stranger's connection gets no id.
    func proof(ofLink number: UInt64) -> [UInt8] {
        let key = derive("nodepass link")
        let message = withUnsafeBytes(of: number.bigEndian) { Array($0) }
        return Array(HMAC<SHA256>.authenticationCode(for: message, using: key).prefix(LinkProof.codeLengthBytes))
    }

    private func derive(_ label: String) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(inputKeyMaterial: tunnelKey, salt: nonce, info: Array(label.utf8), outputByteCount: 32)
    }
}

/// The bytes a client of ours sends first on each link: a version, the link's number, and a code only the key can make.
struct LinkProof: Sendable, Hashable {
    /// No TLS record, no letter of an HTTP method: the first byte alone tells them apart.
    static let version: UInt8 = 2
    static let codeLengthBytes = 16
    static let lengthBytes = 1 + 8 + codeLengthBytes

    let number: UInt64
    let code: [UInt8]

    init(number: UInt64, secret: SessionSecret) {
        self.number = number
        code = secret.proof(ofLink: number)
    }

    /// Reads exactly `lengthBytes`; nil when they are none.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.lengthBytes, bytes[0] == Self.version else { return nil }
        number = bytes[1..<9].reduce(0) { $0 << 8 | UInt64($1) }
        code = Array(bytes[9...])
    }

    /// Whether the key made it; takes a time that does not depend on where the codes differ.
    func isMade(with secret: SessionSecret) -> Bool {
        SHA256.hash(data: code) == SHA256.hash(data: secret.proof(ofLink: number))
    }

    var bytes: [UInt8] {
        [Self.version] + withUnsafeBytes(of: number.bigEndian) { Array($0) } + code
    }
}

/// Accepts each link number of a session once, in any order within a window, so that a recorded proof is worth nothing.
struct LinkProofWindow: Sendable {
    private var seen = Set<UInt64>()
    private var highest: UInt64 = 0
    static let width: UInt64 = 8192

    /// False for a number that was used, or is too old to know.
    mutating func admit(_ number: UInt64) -> Bool {
        guard isRecent(number), seen.insert(number).inserted else { return false }
        if number > highest {
            highest = number
            if seen.count > Int(Self.width) * 2 { seen = seen.filter(isRecent) }
        }
        return true
    }

    private func isRecent(_ number: UInt64) -> Bool {
        number > highest || highest - number < Self.width
    }
}
