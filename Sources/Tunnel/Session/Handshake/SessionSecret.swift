import Crypto
import FoundationEssentials

/// What two of ours derive for one session from the tunnel key and the nonce in the server's reply.
///
/// HKDF-SHA256 (RFC 5869), the nonce as salt, one label for each use. Anyone who knows the tunnel
/// key and saw the handshake can derive it too: it keeps out those who do not have the key.
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

    /// What a client sends first on its `number`th link, so that a stranger's connection gets no
    /// id.
    func proof(ofLink number: UInt64) -> [UInt8] {
        let key = derive("nodepass link")
        let message = withUnsafeBytes(of: number.bigEndian) { Array($0) }
        return Array(HMAC<SHA256>.authenticationCode(for: message, using: key).prefix(LinkProof.codeLengthBytes))
    }

    private func derive(_ label: String) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(inputKeyMaterial: tunnelKey, salt: nonce, info: Array(label.utf8), outputByteCount: 32)
    }
}
