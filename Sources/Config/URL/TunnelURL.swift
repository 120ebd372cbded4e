/// The one-line form of a tunnel: `server://key@host:port/target,target?parameters`, as NodePass
/// writes it.
package enum TunnelURL {
    /// Longer URLs are refused: an event that carries an instance has to stay below 64 KiB.
    package static let lengthLimitBytes = 8192

    /// Reads a URL as leniently as NodePass does.
    ///
    /// Values that NodePass ignores become warnings; only what cannot run, or would be dangerous to
    /// ignore, fails.
    package static func parse(
        _ text: String
    ) throws(TunnelURLError) -> (spec: TunnelSpec, diagnostics: [Diagnostic]) {
        let tunnel = try CheckedTunnel(url: text)
        return (tunnel.spec, tunnel.warnings)
    }

    static func checkLength(_ text: String) throws(TunnelURLError) {
        guard text.utf8.count > lengthLimitBytes else { return }
        let problem = "is longer than \(lengthLimitBytes) bytes"
        throw .invalid([Diagnostic(.error, at: nil, path: "url", code: DiagnosticCode.urlLength.rawValue, problem)])
    }

    /// The URL with every default that is absent or empty, sorted by name: what NodePass calls
    /// `config`.
    package static func config(of urlText: String, spec: TunnelSpec) -> String {
        let (front, queryText, _) = split(urlText)
        var query = QueryString(queryText)
        let defaults = spec.role == .client ? clientDefaults : serverDefaults
        for parameter in defaults where query.value(parameter.name) == nil { query.set(parameter) }
        return front + "?" + query.sortedText
    }

    /// The URL kept byte for byte, with those parameters at its end that it does not have.
    package static func appending(_ parameters: [QueryParameter], to urlText: String) -> String {
        let (front, queryText, fragment) = split(urlText)
        let query = QueryString(queryText)
        let missing = parameters.filter { !query.contains($0.name) }.map(QueryString.text)
        guard !missing.isEmpty else { return urlText }
        let separator = queryText.isEmpty || queryText.hasSuffix("&") ? "" : "&"
        return front + "?" + queryText + separator + missing.joined(separator: "&") + fragment
    }

    /// Any text that should be a URL, with everything before the `@` masked; for logs.
    ///
    /// Masks too much rather than too little: a key may hold unescaped `/` or `?`.
    package static func masked(_ urlText: String) -> String {
        let text = maskingProxy(in: urlText)
        guard let key = keyText(of: text) else { return text }
        return text[..<key.startIndex] + Secret.mask + text[key.endIndex...]
    }

    /// A proxy's URL may hold a password.
    private static func maskingProxy(in urlText: String) -> String {
        guard let name = urlText.firstRange(of: "?via=") ?? urlText.firstRange(of: "&via=") else { return urlText }
        let end = urlText[name.upperBound...].firstIndex { $0 == "&" || $0 == "#" } ?? urlText.endIndex
        return urlText[..<name.upperBound] + Secret.mask + urlText[end...]
    }

    /// What ``masked(_:)`` hides, escaped as in the text; nil where there is nothing to hide.
    package static func keyText(of urlText: String) -> Substring? {
        let start = urlText.firstRange(of: "://")?.upperBound ?? urlText.startIndex
        let authority = urlText[start...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let at = authority.lastIndex(of: "@") ?? urlText[start...].lastIndex(of: "@") else { return nil }
        return urlText[start..<at]
    }

    /// What `config` fills in (rest-api Part A §5); a server has no `tls` unless it is given.
    private static let clientDefaults = defaults([("sni", "none"), ("min", "64")])
    private static let serverDefaults = defaults([("max", "1024"), ("type", "0")])

    private static func defaults(_ own: [(String, String)]) -> [QueryParameter] {
        let common = [
            ("dns", "5m0s"), ("mode", "0"), ("dial", "auto"), ("read", "0s"), ("rate", "0"), ("slot", "65536"),
            ("proxy", "0"), ("block", "0"), ("notcp", "0"), ("noudp", "0"),
        ]
        return (own + common).map { QueryParameter(name: $0.0, value: $0.1) }
    }

    /// Everything before the query, the query, and the fragment with its `#`.
    static func split(_ text: String) -> (front: Substring, query: Substring, fragment: Substring) {
        let hash = text.firstIndex(of: "#") ?? text.endIndex
        let mark = text[..<hash].firstIndex(of: "?")
        let front = text[..<(mark ?? hash)]
        let query = mark.map { text[text.index(after: $0)..<hash] } ?? ""
        return (front, query, text[hash...])
    }
}

/// Why a text is not a tunnel's URL; the three cases have different answers in the API.
package enum TunnelURLError: Error, Hashable {
    /// Not of the form `scheme://host:port/…` at all.
    case syntax(String)
    /// A URL of another kind.
    case scheme(String)
    /// The form is right, but the tunnel cannot run.
    case invalid([Diagnostic])

    /// All cases as diagnostics; never shows the key.
    package var diagnostics: [Diagnostic] {
        switch self {
        case .syntax(let problem):
            [Diagnostic(.error, at: nil, path: "url", code: DiagnosticCode.urlSyntax.rawValue, problem)]
        case .scheme(let scheme):
            [
                Diagnostic(
                    .error,
                    at: nil,
                    path: "url",
                    code: DiagnosticCode.urlScheme.rawValue,
                    "the scheme '\(scheme)' is not one of server, client and, for a daemon, master"
                )
            ]
        case .invalid(let diagnostics): diagnostics
        }
    }
}

extension TunnelSpec {
    /// The canonical one-line form: parameters that are not default, sorted by name, then escaped
    /// as Go does.
    package var url: String { url(key: key.map { TunnelSpec.userInfo($0.value) }) }

    /// The canonical form with the key masked, and with the values of `secretPaths`, for logs and
    /// people.
    package func displayURL(hiding secretPaths: Set<String> = []) -> String {
        let hidden = via?.password == nil ? secretPaths : secretPaths.union(["via"])
        return url(key: key == nil ? nil : Secret.mask, hiding: hidden)
    }

    private func url(key: String?, hiding secretPaths: Set<String> = []) -> String {
        var text = role.rawValue + "://"
        if let key { text += key + "@" }
        let places = [("tunnel", tunnel.description), ("target", targets.map(\.description).joined(separator: ","))]
        text += places.map { secretPaths.contains($0.0) ? Secret.mask : $0.1 }.joined(separator: "/")
        let parameters =
            ManifestSchema.fields.flatMap { $0.parameters(of: self, hiding: secretPaths) }
            + unknownParameters
        return parameters.isEmpty ? text : text + "?" + QueryString(parameters).sortedText
    }

    /// Go's escaping of a user name.
    private static func userInfo(_ key: String) -> String {
        PercentCoding.encode(key, keeping: "-_.~$&+,;=")
    }

    /// The key both ends compute with: the one given, or NodePass's default, the FNV-1a hash of the
    /// port's digits.
    package var effectiveKey: String {
        if let key { return key.value }
        let hash = String(tunnel.port).utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return Hex.text(hash)
    }
}
