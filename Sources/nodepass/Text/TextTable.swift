import Config

/// Rows as lines with aligned columns.
enum TextTable {
    static func aligned(_ given: [[String]]) -> String {
        lines(given).joined(separator: "\n")
    }

    /// Strangers choose some of the texts: none of them moves what is beside it.
    static func lines(_ given: [[String]]) -> [String] {
        let rows = given.map { $0.map(PlainText.line) }
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
}
