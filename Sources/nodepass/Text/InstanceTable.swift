import API
import Config
import Reconciler

/// Tunnels as a table; their keys are masked.
enum InstanceTable {
    /// Below the tunnels there are: those that have been deleted and whose connections may still
    /// finish.
    static func text(
        _ rows: [InstanceRow],
        leaving: [WireObject<ReconcileView.Leaving>] = [],
        problems: [WireObject<ProblemView>] = [],
        isWide: Bool
    ) -> String {
        let problems = Dictionary(grouping: problems) { $0.id ?? "" }
        let header = ["NAME", "ID", "TYPE", "PHASE", "CONNS", "IN", "OUT"] + (isWide ? ["POOL", "SOURCE", "URL"] : [])
        let lines =
            rows.map { cells($0, problems[$0.id] ?? [], isWide: isWide) } + leaving.map { cells($0, isWide: isWide) }
        return TextTable.aligned([header] + lines)
    }

    private static func cells(_ tunnel: WireObject<ReconcileView.Leaving>, isWide: Bool) -> [String] {
        let name = tunnel.name.isEmpty ? "-" : tunnel.name
        let cells = [name, tunnel.id, "-", "deleted, draining", String(tunnel.connections), "-", "-"]
        return cells + (isWide ? ["-", "-", "-"] : [])
    }

    private static func cells(
        _ row: InstanceRow,
        _ problems: [WireObject<ProblemView>],
        isWide: Bool
    ) -> [String] {
        let name = row.name ?? row.alias
        let cells = [
            name.isEmpty ? "-" : name, row.id, row.type, phase(row, problems), String(row.connections),
            size(row.tcpIn + row.udpIn), size(row.tcpOut + row.udpOut),
        ]
        guard isWide else { return cells }
        return cells + [String(row.poolSize), row.source ?? "api", TunnelURL.masked(row.url)]
    }

    /// `backoff (PortInUse)`, `ready, target down`; with a `!` where an override applies.
    private static func phase(_ row: InstanceRow, _ problems: [WireObject<ProblemView>]) -> String {
        // The phase says that it fails, and the `!` that it is overridden.
        let shown = problems.filter { ![Problem.Kind.failing, .oldOverride].map(\.rawValue).contains($0.kind) }
        let words = shown.reduce(into: [String]()) { if !$0.contains($1.words) { $0.append($1.words) } }
        return ([InstanceText.phase(row)] + words).joined(separator: ", ") + (row.override == nil ? "" : " !")
    }

    /// A number of bytes: `1.2MB`.
    static func size(_ bytes: Int64) -> String {
        var value = Double(bytes)
        for unit in ["B", "kB", "MB", "GB"] {
            if value < 1000 { return rounded(value) + unit }
            value /= 1000
        }
        return rounded(value) + "TB"
    }

    private static func rounded(_ value: Double) -> String {
        value < 10 && value != value.rounded() ? String((value * 10).rounded() / 10) : String(Int(value.rounded()))
    }
}
