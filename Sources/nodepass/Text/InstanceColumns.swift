import API
import Config
import Reconciler

/// The columns of `get`: their headers, what they show of a tunnel, and how they sort.
struct InstanceColumns {
    /// Bytes a second that a tunnel moved lately, by its id.
    let rates: [String: Int64]
    /// What runs and does not serve, by the tunnel's id.
    private let problems: [String: [WireObject<ProblemView>]]

    init(rates: [String: Int64], problems: [WireObject<ProblemView>]) {
        self.rates = rates
        self.problems = Dictionary(grouping: problems) { $0.id ?? "" }
    }

    enum Column: String, CaseIterable {
        case name = "NAME"
        case id = "ID"
        case type = "TYPE"
        case phase = "PHASE"
        case connections = "CONNS"
        case received = "IN"
        case sent = "OUT"
        case rate = "RATE"
        case age = "AGE"
        case target = "TARGET"
        case reason = "REASON"
        case pool = "POOL"
        case source = "SOURCE"
        case url = "URL"

        static let usual: [Column] = [
            .name, .id, .type, .phase, .connections, .received, .sent, .rate, .age, .target, .reason,
        ]
        static let wide: [Column] = usual + [.pool, .source, .url]

        /// By `--sort`, which takes the header in any case, or `in` and `out`.
        init?(named name: String) {
            self.init(rawValue: name.uppercased())
        }
    }

    func cell(_ column: Column, _ row: InstanceRow, isWide: Bool) -> String {
        switch column {
        case .name:
            let name = row.name ?? row.alias
            return name.isEmpty ? "-" : name
        case .id: return row.id
        case .type: return row.type
        case .phase: return phase(row)
        case .connections: return String(row.connections)
        case .received: return ByteText.size(row.tcpIn + row.udpIn)
        case .sent: return ByteText.size(row.tcpOut + row.udpOut)
        case .rate: return rates[row.id].map { $0 == 0 ? "-" : ByteText.size($0) + "/s" } ?? "-"
        case .age: return row.phase == "ready" ? ByteText.age(seconds: row.uptime) : "-"
        case .target: return isWide ? Self.target(row) : InstanceText.short(Self.target(row))
        case .reason: return reason(row)
        case .pool: return String(row.poolSize)
        case .source: return row.source ?? "api"
        case .url: return TunnelURL.masked(row.url)
        }
    }

    /// `backoff (PortInUse)`, `ready, target down`; with a `!` where an override applies.
    private func phase(_ row: InstanceRow) -> String {
        // The phase says that it fails, and the `!` that it is overridden.
        let shown = (problems[row.id] ?? []).filter { problem in
            ![Problem.Kind.failing, .oldOverride].map(\.rawValue).contains(problem.kind)
        }
        let words = shown.reduce(into: [String]()) { if !$0.contains($1.words) { $0.append($1.words) } }
        return ([InstanceText.phase(row)] + words).joined(separator: ", ") + (row.override == nil ? "" : " !")
    }

    /// Why it does not serve, else who has overridden it.
    private func reason(_ row: InstanceRow) -> String {
        if !row.message.isEmpty { return row.message }
        if let problem = problems[row.id]?.first { return problem.text }
        return row.override.map(Self.overridden) ?? ""
    }

    /// The end last: what a narrow terminal cuts is no news.
    private static func overridden(_ override: WireObject<OverrideView>) -> String {
        let author = InstanceText.author(override.by, note: override.note)
        let end = override.until.map { "until " + InstanceText.time($0) } ?? "until released"
        return "\(EventSentence.verb(override)) by \(author), \(end)"
    }

    /// The part of its URL that says where connections go.
    private static func target(_ row: InstanceRow) -> String {
        let rest = row.url.firstRange(of: "://").map { row.url[$0.upperBound...] } ?? ""
        let path = rest.prefix { $0 != "?" }.drop { $0 != "/" }.dropFirst()
        return path.isEmpty ? "-" : PercentCoding.decodeLeniently(String(path))
    }

    // MARK: Sorting

    /// In the order of a column: figures from the largest, words from a to z.
    func sorted(_ rows: [InstanceRow], by column: Column) -> [InstanceRow] {
        if let figure = figure(column) { return rows.sorted { (figure($1), $0.id) < (figure($0), $1.id) } }
        let keyed = rows.map { (key: cell(column, $0, isWide: true), row: $0) }
        return keyed.sorted { ($0.key, $0.row.id) < ($1.key, $1.row.id) }.map(\.row)
    }

    private func figure(_ column: Column) -> ((InstanceRow) -> Int64)? {
        switch column {
        case .connections: { $0.connections }
        case .received: { $0.tcpIn + $0.udpIn }
        case .sent: { $0.tcpOut + $0.udpOut }
        case .rate: { rates[$0.id] ?? 0 }
        case .age: { $0.phase == "ready" ? $0.uptime : 0 }
        case .pool: { $0.poolSize }
        case .name, .id, .type, .phase, .target, .reason, .source, .url: nil
        }
    }
}

/// Numbers of bytes and seconds in few characters.
enum ByteText {
    /// `1.2MB`.
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

    /// The largest unit alone: `3d`, `5h`, `12m`, `40s`.
    static func age(seconds: Int64) -> String {
        for (unit, length) in [("d", Int64(86_400)), ("h", 3600), ("m", 60)] where seconds >= length {
            return "\(seconds / length)\(unit)"
        }
        return "\(seconds)s"
    }
}
