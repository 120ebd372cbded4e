import API
import Config

/// Tunnels as a table; their keys are masked.
struct InstanceTable {
    let columns: InstanceColumns
    var isWide = false
    var hasHeader = true
    /// Where the terminal ends; nil for what is not one.
    var terminalColumns: Int?

    private var shown: [InstanceColumns.Column] { isWide ? InstanceColumns.Column.wide : InstanceColumns.Column.usual }

    /// Below the tunnels there are declared ones that a request has deleted, and deleted ones whose connections may still
    /// finish.
    func text(
        _ rows: [InstanceRow],
        hidden: [WireObject<PlanView.Overridden>] = [],
        leaving: [WireObject<ReconcileView.Leaving>] = []
    ) -> String {
        let draining = Dictionary(leaving.map { ($0.id, $0) }) { first, _ in first }
        let hiddenIDs = Set(hidden.map(\.id))
        let lines =
            rows.map(cells) + hidden.map { deletedCells($0, draining[$0.id]) }
            + leaving.filter { !hiddenIDs.contains($0.id) }.map(cells)
        let text = TextTable.lines(
            [shown.map(\.rawValue)] + lines,
            terminalColumns: isWide ? nil : terminalColumns
        )
        return (hasHeader ? text[...] : text.dropFirst()).joined(separator: "\n")
    }

    /// As RFC 4180 has it; a text that a spreadsheet would take for a formula is quoted by an apostrophe.
    func csv(_ rows: [InstanceRow]) -> String {
        let lines =
            (hasHeader ? [InstanceColumns.Column.wide.map(\.rawValue)] : [])
            + rows.map { row in InstanceColumns.Column.wide.map { columns.cell($0, row, isWide: true) } }
        return lines.map { $0.map(Self.field).joined(separator: ",") }.joined(separator: "\n")
    }

    private static func field(_ text: String) -> String {
        let line = PlainText.line(text)
        let isFormula = line.count > 1 && line.first.map { "=+-@".contains($0) } == true
        let safe = isFormula ? "'" + line : line
        return safe.contains(where: { ",\"".contains($0) }) ? "\"" + safe.replacing("\"", with: "\"\"") + "\"" : safe
    }

    private func deletedCells(
        _ tunnel: WireObject<PlanView.Overridden>,
        _ draining: WireObject<ReconcileView.Leaving>?
    ) -> [String] {
        shown.map { column in
            switch column {
            case .name: tunnel.name
            case .id: tunnel.id
            case .phase: draining == nil ? "deleted !" : "deleted, draining !"
            case .connections: draining.map { String($0.connections) } ?? "-"
            case .source: tunnel.source ?? "-"
            case .reason: "by " + InstanceText.author(tunnel.by, note: tunnel.note)
            default: "-"
            }
        }
    }

    private func cells(_ tunnel: WireObject<ReconcileView.Leaving>) -> [String] {
        shown.map { column in
            switch column {
            case .name: tunnel.name.isEmpty ? "-" : tunnel.name
            case .id: tunnel.id
            case .phase: "deleted, draining"
            case .connections: String(tunnel.connections)
            case .reason: ""
            default: "-"
            }
        }
    }

    private func cells(_ row: InstanceRow) -> [String] {
        shown.map { column in
            let text = columns.cell(column, row, isWide: isWide)
            return column == .name ? InstanceText.short(text) : text
        }
    }
}
