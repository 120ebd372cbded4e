import Config

/// Rows as lines with aligned columns.
enum TextTable {
    static func aligned(_ given: [[String]]) -> String {
        lines(given).joined(separator: "\n")
    }

    /// Strangers choose some of the texts: none of them moves what is beside it.
    ///
    /// `terminalColumns` cuts the last column there, and leaves it at least ``leastColumns``; nil cuts nothing.
    static func lines(_ given: [[String]], terminalColumns: Int? = nil) -> [String] {
        var rows = given.map { $0.map(PlainText.line) }
        if let terminalColumns { cut(&rows, at: terminalColumns) }
        var widths = rows.first.map { [Int](repeating: 0, count: $0.count) } ?? []
        let cellWidths = rows.map { $0.map(DisplayWidth.of) }
        for row in cellWidths {
            for (column, width) in row.enumerated() { widths[column] = max(widths[column], width) }
        }
        return zip(rows, cellWidths).map { row, cells in
            var line = ""
            for (column, text) in row.enumerated() {
                line += DisplayWidth.isolated(text)
                guard column < row.count - 1 else { break }
                line += String(repeating: " ", count: widths[column] - cells[column] + 2)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    private static let leastColumns = 60

    private static func cut(_ rows: inout [[String]], at columns: Int) {
        guard let last = rows.first.map({ $0.count - 1 }), last >= 0 else { return }
        let others = (0..<last).map { column in (rows.map { DisplayWidth.of($0[column]) }.max() ?? 0) + 2 }
        let room = max(leastColumns, columns - others.reduce(0, +))
        for row in rows.indices { rows[row][last] = DisplayWidth.shortened(rows[row][last], to: room) }
    }
}
