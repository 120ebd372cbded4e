import Config
import Crypto
import Tunnel

/// How instances get their 8 hex digits.
enum InstanceIDs {
    static func derived(from name: String, isFree: (InstanceID) -> Bool) -> InstanceID {
        var digest = Array(SHA256.hash(data: Array(name.utf8)))
        while !isFree(prefix(of: digest)) {
            digest = Array(SHA256.hash(data: digest))
        }
        return prefix(of: digest)
    }

    static func random(using generator: inout some RandomNumberGenerator, isFree: (InstanceID) -> Bool) -> InstanceID {
        while true {
            let id = Hex.text((0..<4).map { _ in UInt8.random(in: 0...255, using: &generator) })
            if isFree(id) { return id }
        }
    }

    /// A short fingerprint of values whose change must show: length-prefixed, so that no two lists read the same.
    static func fingerprint(_ parts: [String]) -> String {
        var hash = SHA256()
        for part in parts {
            hash.update(data: Array("\(part.utf8.count):\(part)".utf8))
        }
        return Hex.text(hash.finalize().prefix(6))
    }

    private static func prefix(of digest: [UInt8]) -> InstanceID {
        Hex.text(digest.prefix(4))
    }
}
