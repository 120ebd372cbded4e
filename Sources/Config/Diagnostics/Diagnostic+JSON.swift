extension Diagnostic {
    /// The one form in which the API, its events and `--format json` show a diagnostic.
    package var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("severity", .string(severity.rawValue)),
            .init("location", location.map { .string($0.description) } ?? .null),
            .init("path", .string(path)),
            .init("message", .string(message)),
            .init("code", .string(code)),
        ]
        if let related { members.append(.init("related", .string(related.description))) }
        return .object(members)
    }

    /// Reads what `json` writes; a missing part becomes empty, so that a newer daemon's answers can
    /// be shown too.
    package init(json: JSONValue) {
        func text(_ name: String) -> String { json[name]?.stringValue ?? "" }
        self.init(
            Severity(rawValue: text("severity")) ?? .error,
            at: SourceLocation(text("location")),
            path: text("path"),
            code: text("code"),
            text("message"),
            related: SourceLocation(text("related"))
        )
    }
}
