/// What CI servers show as test results: a suite for each file, in which a diagnostic is a case of its own.
///
/// An error is a failure; a warning passes, with its text as output. A file without errors has a case that passes, so that
/// a run that found nothing is not one that did nothing.
struct JUnitReport {
    let diagnostics: [Diagnostic]
    /// What was checked, in its order; places elsewhere follow.
    let files: [String]

    var text: String {
        let failures = diagnostics.count { $0.severity == .error }
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="nodepass validate" failures="\(failures)">
            \(names.map(suite).joined())</testsuites>

            """
    }

    private var names: [String] {
        var seen: Set<String> = []
        return (files + diagnostics.map(place)).filter { seen.insert($0).inserted }
    }

    /// A diagnostic without a place concerns what was checked as a whole.
    private func place(_ diagnostic: Diagnostic) -> String { diagnostic.location?.file ?? files.first ?? "manifest" }

    private func suite(_ file: String) -> String {
        let own = diagnostics.filter { place($0) == file }
        let errors = own.count { $0.severity == .error }
        var cases = own.map { Self.testCase($0, in: file) }
        if errors == 0 { cases.append("    <testcase classname=\(Self.quoted(file)) name=\"is valid\"/>\n") }
        let head = "name=\(Self.quoted(file)) tests=\"\(cases.count)\" failures=\"\(errors)\""
        return "  <testsuite \(head)>\n\(cases.joined())  </testsuite>\n"
    }

    private static func testCase(_ diagnostic: Diagnostic, in file: String) -> String {
        let line = diagnostic.location.map { " line=\"\($0.line)\"" } ?? ""
        let name = diagnostic.path.isEmpty ? diagnostic.code : "\(diagnostic.path) [\(diagnostic.code)]"
        let text = escaped("\(diagnostic)")
        let content =
            diagnostic.severity == .error
            ? "<failure type=\(quoted(diagnostic.code)) message=\(quoted(diagnostic.message))>\(text)</failure>"
            : "<system-out>\(text)</system-out>"
        let head = "classname=\(quoted(file)) name=\(quoted(name)) file=\(quoted(file))\(line)"
        return "    <testcase \(head)>\(content)</testcase>\n"
    }

    private static func quoted(_ text: String) -> String { "\"\(escaped(text))\"" }

    /// XML has no way to write control characters; they are left out, as in a log.
    private static func escaped(_ text: String) -> String {
        PlainText.line(text).reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
    }
}
