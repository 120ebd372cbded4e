/// One thing a reader of a manifest, URL or request should know: what is wrong, where, and what to
/// try.
///
/// Printed as `file:line:column: error: tunnels.web.pool.min: must be at most pool.max (16)
/// [pool-range]`.
package struct Diagnostic: Sendable, Hashable, CustomStringConvertible {
    package enum Severity: String, Sendable {
        case error
        case warning
    }

    package let severity: Severity
    /// Nil when the text did not come from a file (a URL in a request).
    package let location: SourceLocation?
    /// The key's path from the root of the document, `tunnels.web.pool.min`; empty for the document
    /// itself.
    package let path: String
    package let message: String
    /// Stable, lower-case words with dashes; scripts match it.
    package let code: String
    /// The other place a message speaks of, such as the first of two equal keys.
    package let related: SourceLocation?

    package init(
        _ severity: Severity,
        at location: SourceLocation?,
        path: String,
        code: String,
        _ message: String,
        related: SourceLocation? = nil
    ) {
        self.severity = severity
        self.location = location
        self.path = path
        self.message = message
        self.code = code
        self.related = related
    }

    package var description: String {
        let place = location.map { "\($0): " } ?? ""
        let subject = path.isEmpty ? "" : "\(path): "
        let other = related.map { " (see \($0))" } ?? ""
        return "\(place)\(severity.rawValue): \(subject)\(message)\(other) [\(code)]"
    }
}

extension Diagnostic {
    /// A key that one mapping has twice.
    static func repeatedKey(
        _ key: String,
        at location: SourceLocation?,
        path: String,
        first: SourceLocation?
    ) -> Diagnostic {
        let message = "the key '\(key)' is given twice; keep one"
        return Diagnostic(
            .error,
            at: location,
            path: path,
            code: DiagnosticCode.duplicateKey.rawValue,
            message,
            related: first
        )
    }
}
