import ArgumentParser
import Config
import Glibc

/// `nodepass fmt`: manifests in one form, without a change of what they say.
struct FormatCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fmt",
        abstract: "Clean up the white space of manifests; with --check only say which files need it.",
        discussion: """
            Removes blanks at line ends, carriage returns and repeated empty lines, and ends the file with one line \
            feed. Comments and the order of keys stay. A file whose meaning would change is left as it is.
            """
    )

    @Argument(help: "Files.")
    var files: [String]

    @Flag(help: "Change nothing; exit 1 when a file is not in this form.")
    var check = false

    func run() throws {
        var differs = false
        for file in files {
            let text = try read(file)
            let formatted = Self.formatted(text)
            guard formatted != text else { continue }
            guard Self.meansTheSame(text, formatted) else {
                throw CommandFailure(message: "\(file): white space in it is part of a value; it stays as it is")
            }
            differs = true
            if !check { try write(formatted, to: file) }
            Output.line(check ? "\(file) is not formatted" : "\(file) formatted")
        }
        if check, differs { throw ExitCode(1) }
    }

    static func formatted(_ text: String) -> String {
        var lines: [String] = []
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            let end = line.lastIndex { $0 != " " && $0 != "\t" }
            let kept = end.map { String(line[...$0]) } ?? ""
            if !kept.isEmpty || lines.last?.isEmpty == false { lines.append(kept) }
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map { $0 + "\n" }.joined()
    }

    /// Whether both are the same document; comments are no part of it.
    private static func meansTheSame(_ a: String, _ b: String) -> Bool {
        let (old, new) = (YAMLTree(a, file: ""), YAMLTree(b, file: ""))
        guard let old = old.root, let new = new.root else { return old.root == nil && new.root == nil }
        return shape(old) == shape(new)
    }

    private static func shape(_ node: DocumentNode) -> JSONValue {
        switch node.content {
        case .scalar(let scalar): [.string(scalar.text), .bool(scalar.isPlain)]
        case .sequence(let items): .array(items.map(shape))
        case .mapping(let entries): .object(entries.map { JSONValue.Member($0.key, shape($0.value)) })
        }
    }

    private func read(_ file: String) throws(CommandFailure) -> String {
        do throws(TextFile.ReadError) {
            return try TextFile.read(file, limitBytes: YAMLLimits().documentBytes)
        } catch {
            throw CommandFailure(message: "\(file) cannot be read: \(error.problem)")
        }
    }

    /// A new file takes the place of the old one with its mode: a reader sees either whole.
    private func write(_ text: String, to file: String) throws(CommandFailure) {
        let new = file + ".fmt"
        let mode = (FileState.mode(of: file) ?? 0o644) & 0o777
        let descriptor = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        let bytes = Array(text.utf8)
        let isWritten = descriptor >= 0 && Glibc.write(descriptor, bytes, bytes.count) == bytes.count
        if descriptor >= 0 { close(descriptor) }
        guard isWritten, rename(new, file) == 0 else {
            let problem = String(cString: strerror(errno))
            if descriptor >= 0 { unlink(new) }
            throw CommandFailure(message: "\(file) is not written: \(problem)")
        }
    }
}
