import API
import Config

/// One tunnel as lines for people: what it should be, what it is, and how it came there; its key is masked.
enum InstanceDescription {
    static func text(_ row: JSONValue) -> String {
        let lines =
            identity(row) + state(row) + figures(row) + certificate(row["certificate"]) + history(row)
            + events(row)
        let width = (lines.map(\.label.count).max() ?? 0) + 2
        return lines.map { line in
            let label = line.label.isEmpty ? "" : line.label + ":"
            return label + String(repeating: " ", count: width - label.count) + line.value
        }.joined(separator: "\n")
    }

    /// A line without a label continues the one above it.
    private struct Line {
        let label: String
        let value: String

        init(_ label: String, _ value: String) {
            self.label = label
            self.value = value
        }
    }

    // MARK: What it should be

    private static func identity(_ row: JSONValue) -> [Line] {
        let source = row["source"]?.stringValue.map { ", " + $0 } ?? ""
        let (name, alias) = (word(row, "name"), word(row, "alias"))
        var lines: [Line] = []
        if !name.isEmpty { lines.append(Line("Name", name)) }
        lines.append(Line("Id", word(row, "id")))
        if !alias.isEmpty, alias != name { lines.append(Line("Alias", alias)) }
        lines.append(Line("Origin", word(row, "origin") + source))
        if let override = row["override"], case .object = override { lines += self.override(override, in: row) }
        return lines + [Line("URL", word(row, "shown"))] + spec(row)
    }

    /// Its keys, each with the place in a manifest that says so.
    private static func spec(_ row: JSONValue) -> [Line] {
        let fields = row["fields"]?.items ?? []
        let width = fields.map { word($0, "path").count }.max() ?? 0
        let valueWidth = fields.map { word($0, "value").count }.max() ?? 0
        return fields.enumerated().map { index, field in
            let path = word(field, "path")
            let value = word(field, "value")
            let source = field["source"]?.stringValue
            let place = source.map { String(repeating: " ", count: valueWidth - value.count + 2) + $0 } ?? ""
            let key = path + String(repeating: " ", count: width - path.count)
            return Line(index == 0 ? "Spec" : "", "\(key)  \(value)\(place)")
        }
    }

    /// What REST changed over the manifest; then since when, until when, and who did it.
    private static func override(_ override: JSONValue, in row: JSONValue) -> [Line] {
        let changes = ["state", "command", "deleted", "alias", "tags", "peer", "restart"].compactMap { name in
            // The URL repeats what may have come from a reference; the daemon has masked it once.
            name == "command" && override[name] != nil
                ? "url \(word(row, "shown"))" : override[name].map { "\(name) \($0.stringValue ?? $0.compactText)" }
        }
        let end = override["until"]?.stringValue.map { "until \(time($0))" } ?? "until released"
        return [
            Line("Override", changes.joined(separator: ", ")),
            Line("", "since \(time(word(override, "since"))), \(end), by \(word(override, "by"))"),
        ]
    }

    // MARK: What it is

    private static func state(_ row: JSONValue) -> [Line] {
        let since = row["history"]?.items.last?["time"]?.stringValue.map { " since \(time($0))" } ?? ""
        let hidden = (row["fields"]?.items ?? []).filter { word($0, "value") == Secret.mask }.map { word($0, "path") }
        let isHidden = hidden.contains("tunnel") || hidden.contains("target")
        let addresses = row["listening"]?.items.compactMap(\.stringValue) ?? []
        let listening = isHidden && !addresses.isEmpty ? [Secret.mask] : addresses
        var lines = [Line("Phase", word(row, "phase") + since)]
        if !word(row, "reason").isEmpty { lines.append(Line("Reason", word(row, "reason"))) }
        if !word(row, "message").isEmpty { lines.append(Line("", word(row, "message"))) }
        lines.append(Line("Mode", mode(row, isListening: !listening.isEmpty)))
        if !listening.isEmpty { lines.append(Line("Listening", listening.joined(separator: ", "))) }
        return lines
    }

    /// What the resolved mode means: which way connections go through the tunnel.
    private static func mode(_ row: JSONValue, isListening: Bool) -> String {
        switch (word(row, "type"), number(row, "mode"), word(row, "phase")) {
        case ("server", 1, _): "reverse: users come in here and leave at the client"
        case ("server", 2, _): "forward: users come in at the client and leave here"
        case ("client", 1, _): "single: users come in and leave here"
        case ("client", 2, "ready") where isListening: "dual, forward: users come in here and leave at the server"
        case ("client", 2, "ready"): "dual, reverse: users come in at the server and leave here"
        case ("client", 2, _): "dual: the server says which way"
        default: "not decided yet"
        }
    }

    private static func figures(_ row: JSONValue) -> [Line] {
        let connections = "\(number(row, "connections")) (\(number(row, "tcps")) TCP, \(number(row, "udps")) UDP)"
        var lines = [
            Line("Connections", connections + draining(row["draining"])),
            Line("Traffic", "TCP \(size(row, "tcp_in")) in, \(size(row, "tcp_out")) out"),
            Line("", "UDP \(size(row, "udp_in")) in, \(size(row, "udp_out")) out"),
        ]
        let refused = number(row, "refused")
        if refused > 0 {
            lines.append(
                Line("Refused", "\(refused) users: the daemon is short of file descriptors, see `fd_limit` of /info")
            )
        }
        let hasTwoEnds = word(row, "type") == "server" || number(row, "mode") == 2
        guard hasTwoEnds else { return lines }
        lines += [
            Line("Pool", "\(number(row, "pool")) idle"),
            Line("Ping", "\(number(row, "ping")) ms"),
            Line("Rejected", "\(number(row, "rejected"))"),
        ]
        return lines
    }

    private static func draining(_ value: JSONValue?) -> String {
        guard let value, case .object = value else { return "" }
        return "; \(number(value, "connections")) of a former run may finish until \(time(word(value, "until")))"
    }

    private static func certificate(_ certificate: JSONValue?) -> [Line] {
        guard let certificate, case .object = certificate else { return [] }
        let days = number(certificate, "expiresInDays")
        var lines = [
            Line("Certificate", word(certificate, "subject")),
            Line("", word(certificate, "fingerprint")),
            Line("", "valid until \(time(word(certificate, "notAfter"))) (\(days) days)"),
        ]
        if let warning = certificate["warning"]?.stringValue { lines.append(Line("", "warning: " + warning)) }
        return lines
    }

    // MARK: How it came there

    private static func history(_ row: JSONValue) -> [Line] {
        let steps = (row["history"]?.items ?? []).map { step in
            let detail = [word(step, "reason"), word(step, "message")].filter { !$0.isEmpty }
            return ([time(word(step, "time")), word(step, "phase")] + detail).joined(separator: "  ")
        }
        return steps.enumerated().map { Line($0 == 0 ? "History" : "", $1) }
    }

    /// The newest events of both logs.
    private static func events(_ row: JSONValue) -> [Line] {
        let lines = (row["events"]?.items ?? []).map { event in
            let detail = ["phase", "reason", "message", "cause", "by"].map { word(event, $0) }.filter { !$0.isEmpty }
            return ([time(word(event, "time")), word(event, "type")] + detail).joined(separator: "  ")
        }
        return lines.enumerated().map { Line($0 == 0 ? "Events" : "", $1) }
    }

    // MARK: Small parts

    private static func word(_ row: JSONValue, _ name: String) -> String { row[name]?.stringValue ?? "" }

    private static func number(_ row: JSONValue, _ name: String) -> Int64 { row[name]?.intValue ?? 0 }

    private static func size(_ row: JSONValue, _ name: String) -> String { InstanceTable.size(number(row, name)) }

    private static func time(_ text: String) -> String { InstanceText.time(text) }
}
