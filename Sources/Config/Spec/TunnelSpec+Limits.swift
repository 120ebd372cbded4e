extension TunnelSpec {
    /// 10 Tbit/s: above every link, and bytes per second still fit easily.
    package static let rateLimitMbps = 10_000_000
    package static let connectionsLimit = 10_000_000
    /// Targets one tunnel may name.
    package static let targetLimit = 256
    package static let keyLimitBytes = 1024
}

extension PoolSize {
    /// Each idle link is an open connection at both ends.
    package static let limit = 1_000_000
}

extension AccessRules {
    /// Networks in one list; every new connection is compared with all of them.
    package static let networkLimit = 1024
}

extension TunnelSpec {
    /// Of `path`.
    static let pathLimitBytes = 1024

    static let serviceLimitBytes = 63
    static let serviceWords = "a name of at most \(serviceLimitBytes) letters, digits, '.', '_' and '-'"

    static func isService(_ text: String) -> Bool {
        (1...serviceLimitBytes).contains(text.utf8.count) && text.utf8.allSatisfy(isServiceLetter)
    }

    private static func isServiceLetter(_ letter: UInt8) -> Bool {
        switch letter {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains(letter)
        }
    }

    /// Whether a request's line can have it: visible ASCII without a query or a fragment.
    static func isPath(_ text: String) -> Bool {
        text.hasPrefix("/") && text.utf8.count <= pathLimitBytes
            && text.utf8.allSatisfy { (33...126).contains($0) && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") }
    }
}
