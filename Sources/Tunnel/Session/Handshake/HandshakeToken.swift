import Config
import Crypto

/// What a client shows to be let in: HMAC-SHA256 of the empty message under the tunnel key, in
/// lower-case hex (NodePass).
package struct HandshakeToken: Sendable {
    package let text: String

    package init(tunnelKey: String) {
        let code = HMAC<SHA256>.authenticationCode(for: [UInt8](), using: SymmetricKey(data: Array(tunnelKey.utf8)))
        text = Hex.text(code)
    }

    /// Compares in a time that does not depend on where the texts differ.
    package func matches(_ presented: String) -> Bool {
        let own = SHA256.hash(data: Array(text.utf8))
        return own == SHA256.hash(data: Array(presented.utf8))
    }
}
