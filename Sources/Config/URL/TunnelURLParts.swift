/// A tunnel's URL taken apart: the authority and path are checked, the query is not applied yet.
struct TunnelURLParts {
    let role: TunnelRole
    let key: Secret?
    let tunnel: Endpoint
    let targets: [Endpoint]
    var query: QueryString

    init(_ text: String) throws(TunnelURLError) {
        try TunnelURL.checkLength(text)
        guard text.utf8.allSatisfy({ $0 >= 32 && $0 != 127 }) else { throw .syntax("has a control character") }
        let (front, queryText, _) = TunnelURL.split(text)
        let (scheme, rest) = try TunnelURLParts.scheme(of: front)
        guard let role = TunnelRole(rawValue: scheme.lowercased()) else { throw .scheme(scheme) }
        let authority = rest.prefix { $0 != "/" }
        try TunnelURLParts.refuseBrokenKey(text, authority)
        self.role = role
        self.key = try TunnelURLParts.key(in: authority)
        self.query = QueryString(queryText)
        guard let path = PercentCoding.decode(rest.dropFirst(authority.count)) else {
            throw .syntax("the targets have a broken %-escape")
        }
        var problems: [URLFinding] = []
        let address = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        let tunnel = TunnelURLParts.endpoint(String(address), "tunnel", &problems)
        let targets = TunnelURLParts.targets(in: path, &problems)
        self.tunnel = tunnel ?? Endpoint(host: "", port: 0)
        self.targets = targets
        guard problems.isEmpty else {
            // The parameters are read for their own problems, so that all are reported at once.
            var spec = TunnelSpec(role: role, tunnel: self.tunnel, targets: targets)
            let findings = apply(to: &spec).map { $0.diagnostic($0.isFatal ? .error : .warning) }
            throw .invalid(problems.map { $0.diagnostic(.error) } + findings)
        }
    }

    /// The value of a reference, fit for its place: before the `@` stands a key, whose `/`, `?`, `#`, `@` and `:` would
    /// end it too early.
    ///
    /// A value without these is taken as it is, so that one that is escaped already stays so.
    static func escaped(_ value: String, before: Substring, after: Substring) -> String {
        guard let scheme = before.firstRange(of: "://") else { return value }
        let authority = withoutReferences(String(before[scheme.upperBound...]) + String(after)).prefix { $0 != "/" }
        let isKey = authority.contains("@") && !withoutReferences(String(before[scheme.upperBound...])).contains("@")
        guard isKey, value.contains(where: { "/?#@:".contains($0) }) else { return value }
        return PercentCoding.encode(value, keeping: "-._~")
    }

    private static func withoutReferences(_ text: String) -> String { replacingReferences(in: text, by: "") }

    static func replacingReferences(in text: String, by value: String) -> String {
        var result = ""
        var rest = Substring(text)
        while let start = rest.firstRange(of: "${"), let end = rest[start.upperBound...].firstIndex(of: "}") {
            result += rest[..<start.lowerBound] + value
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }

    /// Sets what the query gives; empty parameters count as absent.
    func apply(to spec: inout TunnelSpec) -> [URLFinding] {
        var findings: [URLFinding] = []
        var seen = Set<String>()
        for parameter in query.parameters {
            let isFirst = seen.insert(parameter.name).inserted
            guard let field = ManifestSchema.fieldsByParameter[parameter.name] else {
                spec.unknownParameters.append(parameter)
                findings.append(URLFinding(.unknownParameter, parameter.name, "is unknown; kept as it is"))
                continue
            }
            if !isFirst {
                findings.append(URLFinding(.parameterTwice, parameter.name, "is given twice; the first one is used"))
            } else if !field.roles.contains(spec.role), !parameter.value.isEmpty {
                let problem = "has no effect on a \(spec.role.rawValue)"
                findings.append(URLFinding(.parameterRole, parameter.name, problem))
            }
        }
        for field in ManifestSchema.fields where field.parameters.contains(where: seen.contains) {
            guard let problem = field.readQuery(query.value, &spec) else { continue }
            let code = DiagnosticCode.parameterValue
            findings.append(URLFinding(code, problem.parameter, problem.message, isFatal: problem.isFatal))
        }
        if spec.protocols.isEmpty {
            findings.append(
                URLFinding(.nothingToCarry, "noudp", "switches UDP off and notcp TCP: nothing is left to carry")
            )
        }
        return findings
    }

    private static func scheme(of front: Substring) throws(TunnelURLError) -> (scheme: String, rest: Substring) {
        guard let separator = front.firstRange(of: "://") else {
            guard front.contains(":") else { throw .scheme("") }
            throw .syntax("is not of the form scheme://host:port/host:port")
        }
        let scheme = front[..<separator.lowerBound]
        let isWord = scheme.utf8.allSatisfy { byte in
            switch byte {
            case 48...57, 65...90, 97...122, UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."): true
            default: false
            }
        }
        guard isWord, scheme.first?.isLetter == true else { throw .syntax("does not start with a scheme") }
        return (String(scheme), front[separator.upperBound...])
    }

    /// A bare `/`, `?` or `#` ends the key too early; without this, parts of it would be quoted as
    /// addresses.
    private static func refuseBrokenKey(_ text: String, _ authority: Substring) throws(TunnelURLError) {
        guard !authority.contains("@"), let at = text.lastIndex(of: "@") else { return }
        let isInQuery = TunnelURL.split(text).front.endIndex <= at
        guard !isInQuery || (try? Endpoint(String(authority))) == nil else { return }
        throw .syntax("a key before the @ must write / as %2F, ? as %3F and # as %23")
    }

    /// The user name; a password is ignored, as in NodePass.
    private static func key(in authority: Substring) throws(TunnelURLError) -> Secret? {
        guard let at = authority.lastIndex(of: "@") else { return nil }
        guard let key = PercentCoding.decode(authority[..<at].prefix { $0 != ":" }) else {
            throw .syntax("the key before the @ has a broken %-escape")
        }
        guard key.utf8.count <= TunnelSpec.keyLimitBytes else {
            throw .syntax("the key before the @ is longer than \(TunnelSpec.keyLimitBytes) bytes")
        }
        return key.isEmpty ? nil : Secret(key)
    }

    private static func endpoint(_ text: String, _ part: String, _ problems: inout [URLFinding]) -> Endpoint? {
        do throws(Endpoint.ParseError) {
            return try Endpoint(text)
        } catch {
            problems.append(URLFinding(.badValue, part, error.problem))
            return nil
        }
    }

    private static func targets(in path: String, _ problems: inout [URLFinding]) -> [Endpoint] {
        let parts = path.dropFirst().split(separator: ",").map(\.trimmingBlanks).filter { !$0.isEmpty }
        guard (1...TunnelSpec.targetLimit).contains(parts.count) else {
            let problem = parts.isEmpty ? "no target; write server://host:port/host:port" : "too many targets"
            problems.append(URLFinding(.missingKey, "target", problem))
            return []
        }
        return parts.compactMap { endpoint($0, "target", &problems) }
    }
}

/// A problem of one part of a URL.
struct URLFinding {
    let code: DiagnosticCode
    /// A parameter's name, or `tunnel` or `target`.
    let part: String
    let message: String
    let isFatal: Bool

    init(_ code: DiagnosticCode, _ part: String, _ message: String, isFatal: Bool = false) {
        self.code = code
        self.part = part
        self.message = message
        self.isFatal = isFatal
    }

    func diagnostic(_ severity: Diagnostic.Severity, at location: SourceLocation? = nil) -> Diagnostic {
        Diagnostic(severity, at: location, path: "url." + part, code: code.rawValue, message)
    }

    /// True when a manifest does not accept it, although NodePass accepts it in a URL.
    var isErrorInManifest: Bool { isFatal || Self.areErrorsInManifest.contains(code) }
    static let areErrorsInManifest: Set = [DiagnosticCode.parameterValue, .nothingToCarry]

    static let loop = URLFinding(.tunnelLoop, "target", ManifestLint.loopMessage)
}
