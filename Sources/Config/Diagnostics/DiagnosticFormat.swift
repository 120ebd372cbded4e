/// Forms in which diagnostics are handed to people and tools.
package enum DiagnosticFormat: String, Sendable, CaseIterable {
    /// `file:line:column: error: …`, one line each, as compilers do.
    case text
    /// A JSON array of what the API shows.
    case json
    /// Workflow commands that annotate a pull request.
    case github
    /// SARIF 2.1.0, for code scanning.
    case sarif
    /// JUnit's XML, for the test results of CI servers.
    case junit

    /// All diagnostics of these files as one text; ends with a line end unless it is empty.
    package static func render(
        _ diagnostics: [Diagnostic],
        of files: [String] = [],
        as format: DiagnosticFormat
    ) -> String {
        switch format {
        case .text: diagnostics.map { "\($0)\n" }.joined()
        case .json: JSONValue.array(diagnostics.map(\.json)).prettyText + "\n"
        case .github: diagnostics.map { $0.workflowCommand + "\n" }.joined()
        case .sarif: sarif(diagnostics).prettyText + "\n"
        case .junit: JUnitReport(diagnostics: diagnostics, files: files).text
        }
    }

    private static func sarif(_ diagnostics: [Diagnostic]) -> JSONValue {
        let used = Set(diagnostics.map(\.code))
        let rules = DiagnosticCode.allCases.filter { used.contains($0.rawValue) }.map { code -> JSONValue in
            ["id": .string(code.rawValue), "shortDescription": ["text": .string(code.summary)]]
        }
        let driver: JSONValue = ["name": "nodepass", "rules": .array(rules)]
        return [
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [["tool": ["driver": driver], "results": .array(diagnostics.map(\.sarifResult))]],
        ]
    }
}

extension Diagnostic {
    fileprivate var workflowCommand: String {
        var properties: [String] = []
        if let location {
            properties.append("file=" + Diagnostic.escaped(location.file, also: [":", ","]))
            properties += ["line=\(location.line)", "col=\(location.column)"]
        }
        properties.append("title=" + Diagnostic.escaped(code, also: [":", ","]))
        let subject = path.isEmpty ? "" : path + ": "
        let other = related.map { " (see \($0))" } ?? ""
        let text = Diagnostic.escaped(subject + message + other, also: [])
        return "::\(severity.rawValue) \(properties.joined(separator: ","))::\(text)"
    }

    /// Workflow commands end at a line end, their properties at `,` and `:`.
    private static func escaped(_ text: String, also separators: Set<Character>) -> String {
        text.reduce(into: "") { result, character in
            let isSpecial = character.isNewline || character == "%" || separators.contains(character)
            result += isSpecial ? PercentCoding.encode(String(character), keeping: "") : String(character)
        }
    }

    fileprivate var sarifResult: JSONValue {
        let subject = path.isEmpty ? "" : path + ": "
        var members: [JSONValue.Member] = [
            .init("ruleId", .string(code)),
            .init("level", .string(severity.rawValue)),
            .init("message", ["text": .string(subject + message)]),
        ]
        if let location { members.append(.init("locations", [location.sarif])) }
        if let related { members.append(.init("relatedLocations", [related.sarif])) }
        return .object(members)
    }
}

extension SourceLocation {
    fileprivate var sarif: JSONValue {
        let region: JSONValue = ["startLine": .int(Int64(line)), "startColumn": .int(Int64(column))]
        let uri = PercentCoding.encode(file, keeping: "/-_.~")
        return ["physicalLocation": ["artifactLocation": ["uri": .string(uri)], "region": region]]
    }
}
