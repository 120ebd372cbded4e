import Crypto
import FoundationEssentials

/// One message of the control connection, as NodePass v1.14 writes it; keys it does not know are lost in decoding.
package struct ReferenceSignal: Hashable, Sendable, Decodable {
    package let action: String
    package let remote: String?
    package let id: String?
    package let fp: String?

    package init(_ action: String, remote: String? = nil, id: String? = nil, fp: String? = nil) {
        self.action = action
        self.remote = remote
        self.id = id
        self.fp = fp
    }

    package static let ping = ReferenceSignal("ping")
    package static let pong = ReferenceSignal("pong")
    package static let flush = ReferenceSignal("flush")

    /// Compact JSON with the keys in Go's order; its strings never hold anything that JSON must escape.
    package var json: String {
        let fields = [("action", action), ("remote", remote), ("id", id), ("fp", fp)]
        let texts = fields.compactMap { name, value in value.map { #""\#(name)":"\#($0)""# } }
        return "{" + texts.joined(separator: ",") + "}"
    }
}

/// The codes of protocol.md that need nothing but the tunnel key.
package struct ReferenceCodec: Sendable {
    private let key: String

    package init(key: String) {
        self.key = key
    }

    /// What follows `Bearer ` in the handshake.
    package var token: String {
        let code = HMAC<SHA256>.authenticationCode(for: Data(), using: SymmetricKey(data: Data(key.utf8)))
        return code.map { hexadecimal($0, digits: "0123456789abcdef") }.joined()
    }

    /// JSON, XOR with the key, base64, newline.
    package func line(_ json: String) -> String {
        Data(masked(json.utf8)).base64EncodedString() + "\n"
    }

    /// The signal of a line without its newline, or nothing if it cannot be read.
    package func signal(_ line: some Collection<UInt8>) -> ReferenceSignal? {
        guard let bytes = Data(base64Encoded: Data(line)) else { return nil }
        return try? JSONDecoder().decode(ReferenceSignal.self, from: Data(masked(bytes)))
    }

    private func masked(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        let pad = Array(key.utf8)
        return bytes.enumerated().map { $1 ^ pad[$0 % pad.count] }
    }
}

/// `sha256:` and the upper-case pairs of a certificate's digest.
package func referenceFingerprint(ofDER der: some Collection<UInt8>) -> String {
    "sha256:" + SHA256.hash(data: Data(der)).map { hexadecimal($0, digits: "0123456789ABCDEF") }.joined(separator: ":")
}

/// An id as signals write it.
func referenceID(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { hexadecimal($0, digits: "0123456789abcdef") }.joined()
}

private func hexadecimal(_ byte: UInt8, digits: String) -> String {
    let digits = Array(digits)
    return String([digits[Int(byte >> 4)], digits[Int(byte & 15)]])
}
