import Crypto

/// CPace with X25519 and SHA-512: two sides that know the same tunnel key agree on a fresh secret.
///
/// A listener learns nothing to try keys with, and a side that does not know the key can try one guess
/// a run. Side A sends its share first. Source: draft-irtf-cfrg-cpace-21, CPACE-X25519-SHA512, in the
/// initiator-responder setting.
struct CPace {
    private static let name = Array("CPace255".utf8)
    private static let hashBlockBytes = 128
    static let shareBytes = 32

    private let sessionID: [UInt8]
    private let scalar: Curve25519.KeyAgreement.PrivateKey
    /// What this side sends.
    let share: [UInt8]

    struct LowOrder: Error {}

    /// `channel` is public and has to be the same at both sides, as is `sessionID`.
    init(
        key: [UInt8],
        channel: [UInt8],
        sessionID: [UInt8],
        scalar: Curve25519.KeyAgreement.PrivateKey = .init()
    ) throws {
        self.sessionID = sessionID
        self.scalar = scalar
        let generator = Self.generator(key: key, channel: channel, sessionID: sessionID)
        share = try Self.multiply(scalar, generator)
    }

    /// The 64 bytes both sides share, when they had the same key, channel and session id.
    ///
    /// `peer` is the other side's share; throws `LowOrder` when its order is so low that the secret would
    /// be a public one.
    func secret(peer: [UInt8], isInitiator: Bool, dataA: [UInt8] = [], dataB: [UInt8] = []) throws -> [UInt8] {
        let point = try Self.multiply(scalar, peer)
        guard point.contains(where: { $0 != 0 }) else { throw LowOrder() }
        let (shareA, shareB) = isInitiator ? (share, peer) : (peer, share)
        let secret = Self.joined(Self.name + Array("_ISK".utf8), sessionID, point)
        return Array(SHA512.hash(data: secret + Self.joined(shareA, dataA) + Self.joined(shareB, dataB)))
    }

    static func generator(key: [UInt8], channel: [UInt8], sessionID: [UInt8]) -> [UInt8] {
        let digest = SHA512.hash(data: generatorText(key: key, channel: channel, sessionID: sessionID))
        return FieldElement25519(Array(digest.prefix(32))).mappedToCurve.bytes
    }

    /// The key fills the first block of the hash, however long it is, so that the time says nothing about it.
    static func generatorText(key: [UInt8], channel: [UInt8], sessionID: [UInt8]) -> [UInt8] {
        let taken = 1 + prefixed(key).count + prefixed(name).count
        let padding = [UInt8](repeating: 0, count: max(0, hashBlockBytes - taken))
        return joined(name, key, padding, channel, sessionID)
    }

    private static func multiply(_ scalar: Curve25519.KeyAgreement.PrivateKey, _ point: [UInt8]) throws -> [UInt8] {
        let other = try Curve25519.KeyAgreement.PublicKey(rawRepresentation: point)
        return try scalar.sharedSecretFromKeyAgreement(with: other).withUnsafeBytes { Array($0) }
    }

    /// Each part behind its length, so that no two lists of parts make the same bytes.
    private static func joined(_ parts: [UInt8]...) -> [UInt8] {
        parts.flatMap(prefixed)
    }

    /// The length as LEB128, then the bytes.
    private static func prefixed(_ bytes: [UInt8]) -> [UInt8] {
        var length = bytes.count
        var prefix: [UInt8] = []
        repeat {
            prefix.append(UInt8(length & 0x7f) | (length > 0x7f ? 0x80 : 0))
            length >>= 7
        } while length > 0
        return prefix + bytes
    }
}
