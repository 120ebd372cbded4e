import API
import Config

/// A plan as lines: a symbol, the tunnel, the action, its details, and the effect on connections.
struct PlanText {
    let isColored: Bool

    private struct Line {
        let symbol: String
        let color: String
        let name: String
        let action: String
        let detail: String
        let connections: String
    }

    /// How an action is shown, in the order of printing.
    private static let forms: [(action: String, symbol: String, color: String, counted: String)] = [
        ("create", "+", "32", "to create"), ("adopt", "=", "36", "adopted"), ("start", "+", "32", "to start"),
        ("meta", "~", "33", "meta"), ("live", "~", "33", "live"), ("session", "~", "33", "session"),
        ("rebind", "±", "35", "to rebind"), ("restart", "±", "35", "to restart"), ("stop", "-", "31", "to stop"),
        ("delete", "-", "31", "to delete"),
    ]

    func text(_ plan: JSONValue) -> String {
        let steps = plan["steps"]?.items ?? []
        let lines = Self.forms.flatMap { form in
            steps.filter { $0["action"]?.stringValue == form.action }.map { line($0, form.symbol, form.color) }
        }
        let names = (steps + (plan["overridden"]?.items ?? [])).map { Self.name($0).count }
        let width = max(9, names.max() ?? 0)
        return
            (printed(lines, width) + (plan["overridden"]?.items ?? []).map { overridden($0, width) }
            + (plan["conflicts"]?.items ?? []).map(conflict) + ["Plan: " + Self.summary(plan["summary"] ?? .null)])
            .joined(separator: "\n")
    }

    private func line(_ step: JSONValue, _ symbol: String, _ color: String) -> Line {
        let action = Self.word(step, "action")
        let changes = (step["changes"]?.items ?? []).map { change in
            let field = "\(Self.word(change, "path")) \(Self.word(change, "old")) → \(Self.word(change, "new"))"
            return action == "adopt" ? "\(Self.word(change, "class")) \(field)" : field
        }
        let route = action == "create" || changes.isEmpty ? Self.word(step, "route") : ""
        let detail = [Self.adopted(step), route, changes.joined(separator: ", ")].filter { !$0.isEmpty }
        return Line(
            symbol: symbol,
            color: color,
            name: Self.name(step),
            action: action,
            detail: detail.joined(separator: " "),
            connections: Self.connections(step["connections"])
        )
    }

    /// A tunnel that was created through the API goes by its alias, and by its id because an alias is not unique.
    private static func name(_ value: JSONValue) -> String {
        let alias = word(value, "alias")
        return alias.isEmpty || word(value, "action") == "adopt"
            ? word(value, "name") : "\(alias) (\(word(value, "id")))"
    }

    /// `instance e8de8d70 (cache),`: what a declaration takes over.
    private static func adopted(_ step: JSONValue) -> String {
        guard word(step, "action") == "adopt" else { return "" }
        let alias = word(step, "alias")
        return "instance \(word(step, "id"))" + (alias.isEmpty ? "," : " (\(alias)),")
    }

    /// `3 connections kept`, `1 connection drains up to 30s`.
    private static func connections(_ value: JSONValue?) -> String {
        guard let value, let count = value["count"]?.intValue else { return "" }
        let (one, limit) = (count == 1, word(value, "limit"))
        let noun = one ? "1 connection" : "\(count) connections"
        return switch word(value, "effect") {
        case "keep": "\(noun) kept"
        case "drain": "\(noun) \(one ? "drains" : "drain") up to \(limit)"
        default: "\(noun) cut"
        }
    }

    private func printed(_ lines: [Line], _ nameWidth: Int) -> [String] {
        let detailWidth = max(45, lines.filter { !$0.connections.isEmpty }.map(\.detail.count).max() ?? 0)
        return lines.map { line in
            let head = "\(colored(line.symbol, line.color)) \(padded(line.name, nameWidth)) \(padded(line.action, 9))"
            guard !line.connections.isEmpty else { return trimmed("\(head) \(line.detail)") }
            return "\(head) \(padded(line.detail, detailWidth)) \(line.connections)"
        }
    }

    private func overridden(_ value: JSONValue, _ width: Int) -> String {
        let end = value["until"]?.stringValue.map { " until \(InstanceText.time($0))" } ?? ""
        let since = InstanceText.time(Self.word(value, "since"))
        return
            "\(colored("!", "36")) \(padded(Self.name(value), width)) overridden since \(since)\(end) by REST "
            + "(\(Self.word(value, "present"))); the manifest says \(Self.word(value, "declared"))"
    }

    private func conflict(_ value: JSONValue) -> String {
        let names = (value["tunnels"]?.items ?? []).compactMap(\.stringValue).joined(separator: ", ")
        let place = "\(Self.word(value, "transport")) \(Self.word(value, "address"))"
        return
            "\(colored("!", "31")) \(place) is used by \(names): only one of them can listen, the others wait with PortInUse"
    }

    static func summary(_ counts: JSONValue) -> String {
        let done = forms.compactMap { form in counted(counts[form.action], form.counted) }
        let rest = ["overridden", "unchanged"].compactMap { counted(counts[$0], $0) }
        return ((done.isEmpty ? ["nothing to do"] : done) + rest).joined(separator: ", ") + "."
    }

    private static func counted(_ value: JSONValue?, _ word: String) -> String? {
        guard let count = value?.intValue, count > 0 else { return nil }
        return "\(count) \(word)"
    }

    private func colored(_ text: String, _ code: String) -> String {
        isColored ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private func trimmed(_ text: String) -> String {
        var text = text
        while text.last == " " { text.removeLast() }
        return text
    }

    private static func word(_ value: JSONValue, _ name: String) -> String { value[name]?.stringValue ?? "" }
}
