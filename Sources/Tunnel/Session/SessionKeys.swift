import Config
import Crypto

/// What protects the signals and links of one session.
enum SessionKeys: Sendable {
    /// The handshake of v1.14: everything comes from the tunnel key, which both have from the start.
    case tunnelKey(String)
    /// The sealed handshake: the secret that came of it, which nobody else can have, and the server's
    /// certificate, which both have seen alike.
    case sealed(SymmetricKey, fingerprint: String)

    /// Nil after another handshake.
    var fingerprint: String? {
        if case .sealed(_, let fingerprint) = self { fingerprint } else { nil }
    }

    var isSealed: Bool { fingerprint != nil }

    /// What the client of this session may show, once each, when it asks for the next one.
    ///
    /// Nobody else knows them. None after another handshake.
    var tickets: [String] {
        guard case .sealed(let key, _) = self else { return [] }
        return (0..<TunnelLimits.sessionTickets).map { number in
            let info = Array("nodepass ticket \(number)".utf8)
            let ticket = HKDF<SHA256>.deriveKey(inputKeyMaterial: key, info: info, outputByteCount: 16)
            return Hex.text(ticket.withUnsafeBytes { Array($0) })
        }
    }

    /// The session's secret; nil with a peer that has no extensions.
    func secret(for terms: HandshakeTerms) -> SessionSecret? {
        switch self {
        case .tunnelKey(let key):
            terms.extensions.isEmpty ? nil : SessionSecret(tunnelKey: key, nonce: terms.nonce)
        case .sealed(let key, _): SessionSecret(sealed: key)
        }
    }

    /// How signals are written by `side`: the strongest way that the terms allow.
    func signalCodec(for terms: HandshakeTerms, _ secret: SessionSecret?, writer side: SessionSide) -> SignalCodec {
        switch self {
        case .sealed(let key, _): SignalCodec(secret: secret ?? SessionSecret(sealed: key), writer: side)
        case .tunnelKey(let key):
            if let secret, terms.extensions.contains(.sealedSignals) {
                SignalCodec(secret: secret, writer: side)
            } else {
                SignalCodec(tunnelKey: key)
            }
        }
    }
}
