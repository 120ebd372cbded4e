import Crypto
import FoundationEssentials

/// Short fingerprints of content.
package enum Revision {
    /// The first 12 hex digits of the text's SHA-256.
    package static func of(_ text: String) -> String {
        Hex.text(SHA256.hash(data: Array(text.utf8)).prefix(6))
    }
}
