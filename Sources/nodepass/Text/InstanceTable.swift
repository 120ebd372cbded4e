import API
import Config

/// Tunnels as a table; their keys are masked.
struct InstanceTable {
    let columns: InstanceColumns
    var isWide = false
    var hasHeader = true

    private var shown: [InstanceColumns.Column] { isWide ? InstanceColumns.Column.wide : InstanceColumns.Column.usual }

    /// Below the tunnels there are declared ones that a request has deleted, and deleted ones whose connections may still
    /// finish.
    func text(
        _ rows: [InstanceRow],
        hidden: [WireObject<PlanView.Overridden>] = [],
        leaving: [WireObject<ReconcileView.Leaving>] = []
    ) -> String {
        let cells = rows.map(cells) + hidden.map(cells) + leaving.map(cells)
        let lines = TextTable.lines([shown.map(\.rawValue)] + cells)
        return (hasHeader ? lines[...] : lines.dropFirst()).joined(separator: "\n")
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

    private func cells(_ tunnel: WireObject<PlanView.Overridden>) -> [String] {
        shown.map { column in
            switch column {
            case .name: tunnel.name
            case .id: tunnel.id
            case .phase: "deleted !"
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
        shown.map { columns.cell($0, row, isWide: isWide) }
    }
}
