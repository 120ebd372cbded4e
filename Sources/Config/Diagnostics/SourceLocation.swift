/// A place in a file: 1-based line and column, as editors count.
package struct SourceLocation: Sendable, Hashable, CustomStringConvertible {
    package let file: String
    package let line: Int
    package let column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    /// Reads what `description` writes; nil for anything else.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count >= 3, let line = Int(parts[parts.count - 2]), let column = Int(parts[parts.count - 1]) else {
            return nil
        }
        self.init(file: parts.dropLast(2).joined(separator: ":"), line: line, column: column)
    }

    /// All of it: `tunnels.yaml:3:4`.
    package var description: String { "\(fileAndLine):\(column)" }

    /// `tunnels.yaml:3`, for what fills its line.
    package var fileAndLine: String { "\(file):\(line)" }
}
