/// Recognizes the first line of an HTTP request (RFC 9112 §3) by its beginning: a registered method, a blank, and what a
/// request's target can begin with.
///
/// Upper-case letters and a blank alone are no sign of it: mail, FTP and Redis begin like that, too.
enum HTTPRequestLine {
    /// IANA's registry of methods, and `PRI`, with which HTTP/2 begins.
    private static let methods = [
        "ACL", "BASELINE-CONTROL", "BIND", "CHECKIN", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LABEL",
        "LINK", "LOCK", "MERGE", "MKACTIVITY", "MKCALENDAR", "MKCOL", "MKREDIRECTREF", "MKWORKSPACE", "MOVE", "OPTIONS",
        "ORDERPATCH", "PATCH", "POST", "PRI", "PROPFIND", "PROPPATCH", "PUT", "QUERY", "REBIND", "REPORT", "SEARCH",
        "TRACE", "UNBIND", "UNCHECKOUT", "UNLINK", "UNLOCK", "UPDATE", "UPDATEREDIRECTREF", "VERSION-CONTROL",
    ].map { Array($0.utf8) }
    /// A target's scheme: what a proxy is asked for.
    private static let scheme = Array("http".utf8)
    /// Blanks that are waited through before the target.
    private static let blankLimit = 256
    /// Longest name of a host, with brackets, a colon and a port.
    private static let authorityLimit = 264

    /// Nil while the bytes can still become either.
    static func recognize(_ bytes: some Collection<UInt8>) -> Bool? {
        let word = bytes.prefix { $0 == UInt8(ascii: "-") || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        let rest = bytes.dropFirst(word.count)
        guard let blank = rest.first else {
            return methods.contains { $0.starts(with: word) } ? nil : false
        }
        guard isBlank(blank), methods.contains(where: { $0.elementsEqual(word) }) else { return false }
        let target = rest.drop(while: isBlank)
        // No other protocol has so many.
        guard let first = target.first else { return rest.count > blankLimit ? true : nil }
        if first == UInt8(ascii: "/") || first == UInt8(ascii: "*") { return true }
        if word.elementsEqual("CONNECT".utf8) { return isAuthority(target) }
        let isScheme = zip(target, scheme).allSatisfy { $0 | 0x20 == $1 }
        guard isScheme else { return false }
        return target.count < scheme.count ? nil : true
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    /// `host:port`, up to the next blank.
    private static func isAuthority(_ target: some Collection<UInt8>) -> Bool? {
        let authority = Array(target.prefix(authorityLimit).prefix { $0 > UInt8(ascii: " ") })
        guard authority.count < target.count else { return authority.count < authorityLimit ? nil : false }
        guard let colon = authority.lastIndex(of: UInt8(ascii: ":")), colon > 0 else { return false }
        let port = authority[(colon + 1)...]
        return !port.isEmpty && port.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
