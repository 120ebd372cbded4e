/// A proxy through which a client reaches its server: `http://user:password@proxy:3128`, `socks5://…`.
package struct ProxyAddress: Sendable, Hashable, CustomStringConvertible {
    package enum Kind: String, Sendable, Hashable, CaseIterable {
        /// HTTP CONNECT.
        case http
        case socks5
    }

    package let kind: Kind
    package let endpoint: Endpoint
    package let user: String?
    package let password: Secret?

    /// Of a user's name and of a password, which SOCKS5 counts in one byte.
    private static let credentialLimitBytes = 255

    /// Reads a URL; the problem does not show what may be a password.
    package init(_ text: String) throws(Endpoint.ParseError) {
        guard let colon = text.firstRange(of: "://"), let kind = Kind(rawValue: text[..<colon.lowerBound].lowercased())
        else { throw Endpoint.ParseError(problem: "a proxy is http://HOST:PORT or socks5://HOST:PORT") }
        var rest = text[colon.upperBound...]
        if rest.last == "/" { rest = rest.dropLast() }
        self.kind = kind
        guard let at = rest.lastIndex(of: "@") else {
            (user, password) = (nil, nil)
            endpoint = try Endpoint(String(rest))
            return
        }
        let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let texts = parts.map { PercentCoding.decode($0) ?? "" }
        guard let user = texts.first, !user.isEmpty, texts.allSatisfy({ $0.utf8.count <= Self.credentialLimitBytes })
        else {
            throw Endpoint.ParseError(problem: "a proxy's user and password have 1 to 255 bytes, with % as in a URL")
        }
        self.user = user
        password = texts.count > 1 ? Secret(texts[1]) : nil
        endpoint = try Endpoint(String(rest[rest.index(after: at)...]))
    }

    /// Without the password.
    package var description: String { text(password: password == nil ? nil : Secret.mask) }

    /// With it.
    package var url: String { text(password: password.map { PercentCoding.encode($0.value, keeping: "-_.~") }) }

    private func text(password: String?) -> String {
        guard let user else { return "\(kind.rawValue)://\(endpoint)" }
        let name = PercentCoding.encode(user, keeping: "-_.~") + (password.map { ":" + $0 } ?? "")
        return "\(kind.rawValue)://\(name)@\(endpoint)"
    }
}
