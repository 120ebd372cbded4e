import API
import Config

/// Tunnels as a table; their keys are masked.
enum InstanceTable {
    static func text(_ rows: [JSONValue], isWide: Bool) -> String {
        let header = ["NAME", "ID", "TYPE", "PHASE", "CONNS", "IN", "OUT"] + (isWide ? ["POOL", "SOURCE", "URL"] : [])
        return TextTable.aligned([header] + rows.map { cells($0, isWide: isWide) })
    }

    private static func cells(_ row: JSONValue, isWide: Bool) -> [String] {
        let name = row["name"]?.stringValue ?? row["alias"]?.stringValue ?? ""
        let cells = [
            name.isEmpty ? "-" : name,
            row["id"]?.stringValue ?? "",
            row["type"]?.stringValue ?? "",
            phase(row),
            String(row["connections"]?.intValue ?? 0),
            size(row, "tcp_in", "udp_in"),
            size(row, "tcp_out", "udp_out"),
        ]
        guard isWide else { return cells }
        return cells + [
            String(row["pool_size"]?.intValue ?? 0),
            row["source"]?.stringValue ?? "api",
            TunnelURL.masked(row["url"]?.stringValue ?? ""),
        ]
    }

    /// `backoff (PortInUse)`, with a `!` where an override applies.
    private static func phase(_ row: JSONValue) -> String {
        let mark = if case .object? = row["override"] { " !" } else { "" }
        return InstanceText.phase(row) + mark
    }

    private static func size(_ row: JSONValue, _ names: String...) -> String {
        size(names.reduce(Int64(0)) { $0 + (row[$1]?.intValue ?? 0) })
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
