/// What is wrong with a line that libyaml cannot read, in a user's words, with the line as it should be.
///
/// Looks at the lines alone, where they show the mistake; else it gives libyaml's words.
package struct YAMLAdvice {
    private let lines: [Substring]

    init(_ text: String) {
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            line.last == "\r" || line.last == "\r\n" ? line.dropLast() : line
        }
    }

    /// The message for a problem that libyaml found at `mark`; `context` is where what it was reading began.
    func message(_ problem: String, at mark: Int, context: Int?) -> String {
        let line = line(mark)
        if let advice = lookAlikes(line) ?? tabs(line) { return advice }
        if problem.contains("quoted scalar") { return unclosedQuote(context ?? mark) }
        if let advice = reservedStart(line) { return advice }
        if problem.contains("mapping values are not allowed") {
            return missingColon(before: mark) ?? colonInValue(line) ?? missingBlank(lineAbove(mark)) ?? indent(mark)
                ?? general(problem, line)
        }
        for candidate in [mark, mark - 1, context ?? mark] {
            let line = self.line(candidate)
            if let advice = missingBlank(line) ?? Self.keyWithoutColon(line) { return advice }
        }
        if problem.contains("':'"), let advice = missingColon(before: mark) { return advice }
        if problem.contains("flow"), let context, let advice = flow(context) { return advice }
        if let advice = quoteInQuotes(line) ?? quoteInQuotes(lineAbove(mark)) { return advice }
        let isKeyMissing = problem.contains("did not find expected key")
        return (isKeyMissing ? indent(mark) : nil) ?? general(problem, line)
    }

    private func line(_ number: Int) -> Substring {
        lines.indices.contains(number - 1) ? lines[number - 1] : ""
    }

    /// The nearest line above that says something.
    private func lineAbove(_ number: Int) -> Substring {
        let lines = lines.prefix(max(0, number - 1))
        return lines.last { line in
            let text = line.drop { $0.isWhitespace }
            return !text.isEmpty && !text.hasPrefix("#")
        } ?? ""
    }

    // MARK: Mistakes

    private func lookAlikes(_ line: Substring) -> String? {
        let fixed = line.map { character -> Character in
            switch character {
            case "\u{201c}", "\u{201d}", "\u{201e}": "\""
            case "\u{2018}", "\u{2019}": "'"
            case "\u{a0}", "\u{2007}", "\u{202f}", "\u{3000}": " "
            case "\u{ff1a}": ":"
            default: character
            }
        }
        guard fixed != Array(line) else { return nil }
        return "characters that only look like a blank, a colon or quotes; " + Self.write(Substring(String(fixed)))
    }

    private func tabs(_ line: Substring) -> String? {
        let margin = line.prefix { $0 == " " || $0 == "\t" }
        guard margin.contains("\t") else { return nil }
        let blanks = margin.map { $0 == "\t" ? "  " : " " }.joined()
        return "a tab is used for indentation; use spaces; " + Self.write(blanks + line.dropFirst(margin.count))
    }

    private func unclosedQuote(_ number: Int) -> String {
        "the quote that begins in line \(number) is never closed: " + Self.shown(line(number))
    }

    /// `alias: 'it's mine'`.
    private func quoteInQuotes(_ line: Substring) -> String? {
        guard let (head, value) = split(line), let quote = value.first, "\"'".contains(quote), value.count > 2 else {
            return nil
        }
        let inner = value.dropFirst()
        guard inner.last == quote, inner.dropLast().contains(quote) else { return nil }
        let text = inner.dropLast().replacing(String(quote), with: quote == "'" ? "''" : "\\\"")
        return "a quote within quotes has to be written so; " + Self.write(head + " \(quote)\(text)\(quote)")
    }

    /// `key: @abc`: these characters mean something to YAML where a value begins.
    private func reservedStart(_ line: Substring) -> String? {
        guard let (head, value) = split(line), let first = value.first, "@`%".contains(first) else { return nil }
        return "a value that begins with \(first) has to be quoted; " + Self.write(head + " '\(value)'")
    }

    /// `tunnels` and then an indented line: the colon is missing.
    private func missingColon(before number: Int) -> String? {
        for line in [lineAbove(number), self.line(number)] {
            let word = line.drop { $0 == " " || $0 == "-" }
            let isKey = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "-_.".contains($0) }
            if isKey { return "a colon is missing after '\(word)'; " + Self.write(line + ":") }
            if let advice = Self.keyWithoutColon(line) { return advice }
        }
        return nil
    }

    /// `role client`: a key of ours, a blank and its value.
    static func keyWithoutColon(_ line: Substring) -> String? {
        let margin = line.prefix { $0 == " " || $0 == "-" }
        let key = line.dropFirst(margin.count).prefix { $0 != " " }
        let value = line.dropFirst(margin.count + key.count).drop { $0 == " " }
        guard !value.isEmpty, !value.contains(": "), !value.hasPrefix("#"), keys.contains(String(key)) else {
            return nil
        }
        return "a colon is missing after '\(key)'; " + write(margin + key + ": " + value)
    }

    /// Those of a manifest, of tunnels and of their groups.
    private static let keys = Set(
        ManifestSchema.keys(in: nil) + ManifestSchema.groups.flatMap { ManifestSchema.keys(in: $0) }
            + ManifestSchema.documentKeys
    )

    /// `target: host: 80`, or a text with a colon and a blank.
    private func colonInValue(_ line: Substring) -> String? {
        guard let (head, value) = split(line), let colon = value.firstRange(of: ": ") else { return nil }
        let rest = value[colon.upperBound...].drop { $0 == " " }
        guard !rest.isEmpty, rest.allSatisfy(\.isNumber) else {
            return "a value with a colon and a blank has to be quoted; " + Self.write(head + " \"\(value)\"")
        }
        return "a blank splits the address; " + Self.write(head + " \(value[..<colon.lowerBound]):\(rest)")
    }

    /// `tunnel:127.0.0.1:80`.
    private func missingBlank(_ line: Substring) -> String? {
        let word = line.drop { $0 == " " || $0 == "-" }
        let key = word.prefix { $0.isLetter || $0 == "-" || $0 == "_" }
        let rest = word.dropFirst(key.count)
        guard !key.isEmpty, rest.first == ":", let next = rest.dropFirst().first, !next.isWhitespace, next != "/",
            !rest.contains(": ")
        else { return nil }
        let margin = line.prefix(line.count - word.count)
        return "a blank is missing after '\(key):'; " + Self.write("\(margin)\(key): \(rest.dropFirst())")
    }

    private func flow(_ number: Int) -> String? {
        let line = line(number)
        guard let open = line.last(where: { "{[".contains($0) }) else { return nil }
        let close = open == "{" ? "}" : "]"
        return "the \(open) of line \(number) is not closed by \(close), or a comma is missing, or a value with one of "
            + "{}[],: has to be quoted: " + Self.shown(line)
    }

    /// A line that is indented like no other of its mapping.
    private func indent(_ number: Int) -> String? {
        let (own, other) = (line(number), lineAbove(number))
        let (blanks, wanted) = (own.prefix { $0 == " " }, other.prefix { $0 == " " })
        guard blanks.count != wanted.count, split(own) != nil || own.hasSuffix(":") else { return nil }
        return "is indented by \(blanks.count) blanks, the line above by \(wanted.count); "
            + Self.write(wanted + own.dropFirst(blanks.count))
    }

    private func general(_ problem: String, _ line: Substring) -> String {
        line.allSatisfy(\.isWhitespace) ? problem : "\(problem): " + Self.shown(line)
    }

    // MARK: Lines

    /// `key:` with its margin, and its value.
    private func split(_ line: Substring) -> (head: Substring, value: Substring)? {
        guard let colon = line.firstRange(of: ": ") else { return nil }
        let value = line[colon.upperBound...].drop { $0 == " " }
        guard !value.isEmpty else { return nil }
        return (line[..<line.index(after: colon.lowerBound)], value)
    }

    /// The line with its margin, which is part of what it means.
    private static func write(_ line: some StringProtocol) -> String {
        "write: " + line.prefix { $0 == " " } + shown(Substring(line))
    }

    private static let longest = 120

    /// A line for a message, without what may be a secret: all behind the word `key`, however it is written, and
    /// all of a value before an `@`.
    package static func shown(_ line: Substring) -> String {
        var text = PlainText.line(String(line.drop { $0 == " " }))
        if let at = text.lastIndex(of: "@") {
            let value = text[(text[..<at].firstRange(of: ": ")?.upperBound ?? text.startIndex)..<at]
            let secret = value.drop { "\"' ".contains($0) }
            if !secret.isEmpty { text.replaceSubrange(secret.startIndex..<at, with: "…") }
        }
        if let end = endOfKeyWord(text) {
            let rest = text[end...].drop { "\"' :".contains($0) }
            let between = text[end..<rest.startIndex]
            let quote = between.last.flatMap { "\"'".contains($0) ? String($0) : nil } ?? ""
            if !rest.isEmpty { text.replaceSubrange(rest.startIndex..., with: "…\(quote)") }
        }
        return text.count > longest ? text.prefix(longest) + "…" : text
    }

    /// Where the first word ends that is `key`, or would be but for one slip of the finger.
    private static func endOfKeyWord(_ text: String) -> String.Index? {
        var rest = text[...]
        while let start = rest.firstIndex(where: \.isLetter) {
            let word = rest[start...].prefix(while: \.isLetter)
            let isShort = word.count <= 4
            if isShort, EditDistance.between(Array(word.lowercased()), Array("key")) <= 1 { return word.endIndex }
            rest = rest[word.endIndex...]
        }
        return nil
    }
}
