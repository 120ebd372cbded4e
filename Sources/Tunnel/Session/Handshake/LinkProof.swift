import Crypto

/// The bytes a client of ours sends first on each link: a version, the link's number, and a code
/// that only the key can make.
struct LinkProof: Sendable, Hashable {
    /// Neither a TLS record's type nor a letter of an HTTP method, so that the first byte is enough
    /// to recognize a proof.
    static let version: UInt8 = 2
    static let codeLengthBytes = 16
    static let lengthBytes = 1 + 8 + codeLengthBytes

    /// The session's route, then a count of its links.
    let number: UInt64
    let code: [UInt8]

    /// By which a server with many sessions at one port finds the right one.
    var route: UInt32 { UInt32(number >> 32) }

    /// Of a session's `count`th link.
    static func number(_ count: UInt32, route: UInt32) -> UInt64 { UInt64(route) << 32 | UInt64(count) }

    /// `fingerprint` is the server's certificate on the link, as the client sees it.
    init(number: UInt64, secret: SessionSecret, fingerprint: String? = nil) {
        self.number = number
        code = secret.proof(ofLink: number, fingerprint: fingerprint)
    }

    /// Reads exactly `lengthBytes`; nil when they are not a proof.
    init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.lengthBytes, bytes[0] == Self.version else { return nil }
        number = bytes[1..<9].reduce(0) { $0 << 8 | UInt64($1) }
        code = Array(bytes[9...])
    }

    /// Whether the key made it; takes a time that does not depend on where the codes differ.
    func isMade(with secret: SessionSecret, fingerprint: String? = nil) -> Bool {
        SHA256.hash(data: code) == SHA256.hash(data: secret.proof(ofLink: number, fingerprint: fingerprint))
    }

    var bytes: [UInt8] {
        [Self.version] + withUnsafeBytes(of: number.bigEndian) { Array($0) } + code
    }
}
