/// A tunnel that a request asks for: its spec, checked, and the URL that the API shows for it.
///
/// It is made once, where the request comes in; everything after that takes it as it is.
package struct CheckedTunnel: Sendable {
    /// Parameters that a tunnel of this role inherits where its URL does not have them.
    package typealias Inheritance = (TunnelRole) -> [QueryParameter]

    /// Byte for byte as it was sent, or the canonical form of a spec; inherited parameters are at its end.
    package let url: String
    package let spec: TunnelSpec
    /// What NodePass ignores in the URL.
    package let warnings: [Diagnostic]

    /// Reads a URL as leniently as NodePass does.
    ///
    /// Only what cannot be run, or would be dangerous to ignore, fails.
    package init(url text: String, inheriting: Inheritance = { _ in [] }) throws(TunnelURLError) {
        var parts = try TunnelURLParts(text)
        let missing = inheriting(parts.role).filter { !parts.query.contains($0.name) }
        url = TunnelURL.appending(missing, to: text)
        try TunnelURL.checkLength(url)
        parts.query = QueryString(parts.query.parameters + missing)
        var spec = TunnelSpec(role: parts.role, tunnel: parts.tunnel, targets: parts.targets)
        spec.key = parts.key
        let findings = parts.apply(to: &spec)
        var fatal = findings.filter(\.isFatal)
        // A weak key that is allowed is no news to NodePass's users: their URLs often have one.
        if let problem = KeyStrength.problem(of: spec), problem.isFatal {
            fatal.append(URLFinding(problem.code, "key", problem.message, isFatal: true))
        }
        if !fatal.isEmpty { throw .invalid(fatal.map { $0.diagnostic(.error) }) }
        let loops = spec.connectsToItself ? [URLFinding.loop] : []
        self.spec = spec
        warnings = (findings + loops).map { $0.diagnostic(.warning) }
    }

    /// Takes over the declaration of a tunnel, which is checked already.
    package init(_ declaration: TunnelDeclaration, inheriting: Inheritance = { _ in [] }) throws(TunnelURLError) {
        var spec = declaration.spec
        let given = QueryString(TunnelURL.split(declaration.url).query)
        let missing = inheriting(spec.role).filter { !given.contains($0.name) }
        url = TunnelURL.appending(missing, to: declaration.url)
        try TunnelURL.checkLength(url)
        let query = QueryString(given.parameters + missing)
        let names = Set(missing.map(\.name))
        for field in ManifestSchema.fields where field.parameters.contains(where: names.contains) {
            guard let problem = field.readQuery(query.value, &spec) else { continue }
            let finding = URLFinding(.parameterValue, problem.parameter, problem.message, isFatal: problem.isFatal)
            if finding.isFatal { throw .invalid([finding.diagnostic(.error)]) }
        }
        self.spec = spec
        warnings = []
    }
}
