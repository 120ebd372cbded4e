import Crypto
import FoundationEssentials

/// What the keys of one session between two of ours are derived from: HKDF-SHA256 (RFC 5869), one label
/// for each use.
struct SessionSecret: Sendable {
    private let key: SymmetricKey
    /// The salt.
    private let nonce: [UInt8]
    /// Whether a link's proof is one of the certificate that its client sees, too.
    private let bindsCertificates: Bool

    /// Of the tunnel key and the nonce in the server's reply: anyone who knows the key and saw the
    /// handshake can derive it too.
    init(tunnelKey: String, nonce: [UInt8]) {
        key = SymmetricKey(data: Array(tunnelKey.utf8))
        self.nonce = nonce
        bindsCertificates = false
    }

    /// Of what a sealed handshake has led to, which only its two ends have.
    init(sealed key: SymmetricKey) {
        self.key = key
        nonce = []
        bindsCertificates = true
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
    ///
    /// `fingerprint` is the server's certificate on that link, as this end has or sees it.
    func proof(ofLink number: UInt64, fingerprint: String?) -> [UInt8] {
        let key = derive("nodepass link")
        var message = withUnsafeBytes(of: number.bigEndian) { Array($0) }
        if bindsCertificates, let fingerprint { message += Array(fingerprint.utf8) }
        return Array(HMAC<SHA256>.authenticationCode(for: message, using: key).prefix(LinkProof.codeLengthBytes))
    }

    /// What distinguishes the links of this session from those of others; public, and another one for each session.
    var linkRoute: UInt32 {
        derive("nodepass link route").withUnsafeBytes { $0.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }
    }

    private func derive(_ label: String) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(inputKeyMaterial: key, salt: nonce, info: Array(label.utf8), outputByteCount: 32)
    }
}
