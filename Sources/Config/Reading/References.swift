/// Replaces `${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}` in the values of a manifest.
package struct References: Sendable {
    /// The largest file a reference may bring in; keys and addresses are far smaller.
    package static let fileLimitBytes = 64 << 10

    /// Why a reference could not be replaced; never holds the value of anything.
    package struct Failure: Error, Hashable {
        let code: DiagnosticCode
        let problem: String
    }

    /// What becomes of references.
    package enum Policy: Sendable, Hashable {
        /// Their values take their place.
        case resolve
        /// They are errors: in a request they would show local files.
        case refuse
        /// They stay texts, and are compared as such: a plan from another machine must not show which files there are,
        /// nor test what is in them.
        case keep
    }

    private let environment: [String: String]
    let policy: Policy
    /// Files already read, so that a default that names one costs one read for all tunnels.
    private var contents: [String: Result<String, Failure>] = [:]
    /// Absolute paths of every file that was asked for, found or not.
    package private(set) var files: Set<String> = []

    package init(environment: [String: String], policy: Policy = .resolve) {
        self.environment = environment
        self.policy = policy
    }

    /// False for nearly every text; a byte search, because it runs for every value of a manifest.
    static func mayOccur(in text: String) -> Bool {
        text.utf8.contains(UInt8(ascii: "$")) && text.contains("${")
    }

    /// The text with its references replaced; relative paths start at `directory`.
    ///
    /// `transform` makes each value fit for its place; it gets what precedes and what follows the reference.
    package mutating func resolve(
        _ text: String,
        directory: String,
        transform: (_ value: String, _ before: Substring, _ after: Substring) -> String = { value, _, _ in value }
    ) throws(Failure) -> String {
        guard policy != .refuse else {
            throw Failure(code: .referenceRefused, problem: "references work only in manifests; send the value itself")
        }
        var result = ""
        var rest = Substring(text)
        while let start = rest.firstRange(of: "${") {
            result += rest[..<start.lowerBound]
            guard let end = rest[start.upperBound...].firstIndex(of: "}") else {
                throw Failure(code: .referenceSyntax, problem: "'${' is never closed by '}'")
            }
            let value = try value(of: rest[start.upperBound..<end], directory: directory)
            let before = text[..<start.lowerBound]
            rest = rest[rest.index(after: end)...]
            result += transform(value, before, rest)
        }
        return result + rest
    }

    /// The references in a text without their defaults and without the text around them: fit to be
    /// shown.
    package static func names(in text: String) -> String {
        let parts = text.split(separator: "${").dropFirst(text.hasPrefix("${") ? 0 : 1)
        let names = parts.compactMap { part -> String? in
            let reference = part.prefix { $0 != "}" }
            let end = reference.firstRange(of: ":-")?.lowerBound ?? reference.endIndex
            return "${\(reference[..<end])}"
        }
        return names.joined(separator: " and ")
    }

    /// The text with the paths of its files made absolute, so that it means the same in a manifest
    /// elsewhere.
    static func text(_ text: String, from directory: String) -> String {
        let parts = text.split(separator: "${file:", omittingEmptySubsequences: false)
        return parts.dropFirst().reduce(String(parts.first ?? "")) { result, part in
            let path = part.prefix { $0 != "}" }
            return result + "${file:" + TextFile.absolute(String(path), from: directory) + part.dropFirst(path.count)
        }
    }

    private mutating func value(of reference: Substring, directory: String) throws(Failure) -> String {
        if reference.hasPrefix("env:") { return try variable(reference.dropFirst(4)) }
        if reference.hasPrefix("file:"), reference.count > 5 {
            return try content(of: TextFile.absolute(String(reference.dropFirst(5)), from: directory))
        }
        let forms = "${env:NAME}, ${env:NAME:-default} or ${file:PATH}"
        throw Failure(code: .referenceSyntax, problem: "'${\(reference)}' is not a reference; write \(forms)")
    }

    /// As in a shell, a default also replaces a variable that is set but empty.
    private func variable(_ reference: Substring) throws(Failure) -> String {
        let separator = reference.firstRange(of: ":-")
        let name = String(separator.map { reference[..<$0.lowerBound] } ?? reference)
        let isName = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
        guard !name.isEmpty, isName else {
            throw Failure(code: .referenceSyntax, problem: "'\(name)' is not the name of an environment variable")
        }
        if let separator {
            let value = InputText.value(environment[name] ?? "")
            return value.isEmpty ? String(reference[separator.upperBound...]) : value
        }
        guard let value = environment[name] else {
            let advice = "set it or give a default: ${env:\(name):-…}"
            throw Failure(code: .referenceUnset, problem: "the environment variable \(name) is not set; \(advice)")
        }
        return InputText.value(value)
    }

    private mutating func content(of path: String) throws(Failure) -> String {
        files.insert(path)
        let known = contents[path] ?? load(path)
        contents[path] = known
        return try known.get()
    }

    private func load(_ path: String) -> Result<String, Failure> {
        do throws(TextFile.ReadError) {
            let text = try TextFile.read(path, limitBytes: References.fileLimitBytes)
            return .success(text.trimmingBlanks)
        } catch {
            return .failure(Failure(code: .referenceFile, problem: "cannot read \(path): \(error.problem)"))
        }
    }
}

extension StringProtocol {
    /// The text without blanks and line ends around it.
    var trimmingBlanks: String {
        let start = drop { $0.isWhitespace }
        let end = start.lastIndex { !$0.isWhitespace }
        return end.map { String(start[...$0]) } ?? ""
    }
}
