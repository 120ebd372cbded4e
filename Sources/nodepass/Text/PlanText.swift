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
    private struct Form {
        let action: String
        let symbol: String
        let color: String
        let counted: String
        let count: @Sendable (WireObject<PlanView.Summary>) -> Int64
    }

    private static let forms = [
        Form(action: "create", symbol: "+", color: "32", counted: "to create") { $0.create },
        Form(action: "adopt", symbol: "=", color: "36", counted: "to adopt") { $0.adopt },
        Form(action: "start", symbol: "+", color: "32", counted: "to start") { $0.start },
        Form(action: "meta", symbol: "~", color: "33", counted: "meta") { $0.meta },
        Form(action: "live", symbol: "~", color: "33", counted: "live") { $0.live },
        Form(action: "session", symbol: "~", color: "33", counted: "session") { $0.session },
        Form(action: "rebind", symbol: "±", color: "35", counted: "to rebind") { $0.rebind },
        Form(action: "restart", symbol: "±", color: "35", counted: "to restart") { $0.restart },
        Form(action: "stop", symbol: "-", color: "31", counted: "to stop") { $0.stop },
        Form(action: "delete", symbol: "-", color: "31", counted: "to delete") { $0.delete },
    ]

    func text(_ plan: WireObject<PlanView>) -> String {
        let steps = plan.steps
        let overridden = plan.overridden
        let lines = Self.forms.flatMap { form in
            steps.filter { $0.action == form.action }.map { line($0, form) }
        }
        let names = (steps.map(Self.name) + overridden.map(\.name)).map(InstanceText.short)
        let width = max(9, names.map(DisplayWidth.of).max() ?? 0)
        return
            (printed(lines, width) + overridden.map { self.overridden($0, width) } + conflicts(plan.conflicts)
            + ["Plan: " + Self.summary(plan.counts, invalid: Self.invalid(plan.diagnostics))])
            .joined(separator: "\n")
    }

    private func line(_ step: WireObject<PlanView.Step>, _ form: Form) -> Line {
        let changes = step.changes.map { change in
            let field = "\(change.path) \(Self.value(change.old)) → \(Self.value(change.new))"
            return step.action == "adopt" ? "\(change.changeClass) \(field)" : field
        }
        let showsRoute = step.action == "create" || (step.action == "adopt" && changes.isEmpty)
        let route = showsRoute ? step.route : ""
        // What an adoption does to the tunnel is what its heaviest change does.
        let heaviest = Self.forms.last { form in step.changes.contains { $0.changeClass == form.action } }
        let shown = step.action == "adopt" ? heaviest ?? form : form
        let detail = [Self.adopted(step), route, changes.joined(separator: ", ")].filter { !$0.isEmpty }
        return Line(
            symbol: shown.symbol,
            color: shown.color,
            name: InstanceText.short(Self.name(step)),
            action: step.action,
            detail: PlainText.line(detail.joined(separator: " ")),
            connections: step.connections.map(Self.connections) ?? ""
        )
    }

    /// A tunnel that was created through the API goes by its alias, and by its id because an alias is not unique.
    private static func name(_ step: WireObject<PlanView.Step>) -> String {
        guard step.action != "adopt", let alias = step.alias, !alias.isEmpty else { return step.name }
        return "\(alias) (\(step.id))"
    }

    /// `instance e8de8d70 (cache),`: what a declaration takes over.
    private static func adopted(_ step: WireObject<PlanView.Step>) -> String {
        guard step.action == "adopt" else { return "" }
        let alias = step.alias ?? ""
        return "instance \(step.id)" + (alias.isEmpty ? "," : " (\(alias)),")
    }

    private static func value(_ text: String) -> String { text.isEmpty ? "(none)" : text }

    /// `3 connections kept`, `1 connection drains up to 30s`.
    private static func connections(_ connections: WireObject<PlanView.Connections>) -> String {
        let isOne = connections.count == 1
        let noun = isOne ? "1 connection" : "\(connections.count) connections"
        return switch connections.effect {
        case "keep": "\(noun) kept"
        case "drain": "\(noun) \(isOne ? "drains" : "drain") up to \(connections.limit)"
        default: "\(noun) cut"
        }
    }

    private func printed(_ lines: [Line], _ nameWidth: Int) -> [String] {
        let detailWidth = max(
            45,
            lines.filter { !$0.connections.isEmpty }.map { DisplayWidth.of($0.detail) }.max() ?? 0
        )
        return lines.map { line in
            let head = "\(colored(line.symbol, line.color)) \(padded(line.name, nameWidth)) \(padded(line.action, 9))"
            guard !line.connections.isEmpty else { return trimmed("\(head) \(line.detail)") }
            return "\(head) \(padded(line.detail, detailWidth))  \(line.connections)"
        }
    }

    private func overridden(_ tunnel: WireObject<PlanView.Overridden>, _ width: Int) -> String {
        let end = tunnel.until.map { " until \(InstanceText.time($0))" } ?? ""
        let since = InstanceText.time(tunnel.since)
        let author = InstanceText.author(tunnel.by, note: tunnel.note)
        let text = "\(since)\(end) by \(author) (\(tunnel.present)); the manifest says \(tunnel.declared)"
        let name = padded(InstanceText.short(tunnel.name), width)
        return "\(colored("!", "36")) \(name) overridden since \(PlainText.line(text))"
    }

    /// One line for each address and its tunnels, be it TCP, UDP or both.
    private func conflicts(_ conflicts: [WireObject<PlanView.Conflict>]) -> [String] {
        var lines: [(address: String, tunnels: [String], transports: [String])] = []
        for conflict in conflicts {
            let known = lines.firstIndex { $0.address == conflict.address && $0.tunnels == conflict.tunnels }
            if let known {
                lines[known].transports.append(conflict.transport)
            } else {
                lines.append((conflict.address, conflict.tunnels, [conflict.transport]))
            }
        }
        return lines.map { line in
            let place = "\(line.transports.joined(separator: " and ")) \(line.address)"
            let names = PlainText.line(line.tunnels.joined(separator: ", "))
            return "\(colored("!", "31")) \(place) is used by \(names): only one of them can listen, "
                + "the others wait with PortInUse"
        }
    }

    /// `invalid` are the names of declarations that are left out of the plan.
    static func summary(_ counts: WireObject<PlanView.Summary>, invalid: [String] = []) -> String {
        let done = forms.compactMap { counted($0.count(counts), $0.counted) }
        let rest = [counted(counts.overridden, "overridden"), counted(counts.unchanged, "unchanged")]
        let idle = invalid.isEmpty ? "nothing to do" : "otherwise nothing to do"
        let parts = (done.isEmpty ? [idle] : done) + rest.compactMap(\.self)
        return (wrong(invalid) + parts).joined(separator: ", ") + "."
    }

    private static let invalidShown = 10

    /// `2 declarations invalid (db, web)`.
    private static func wrong(_ names: [String]) -> [String] {
        guard !names.isEmpty else { return [] }
        let shown = names.prefix(invalidShown).joined(separator: ", ")
        let more = names.count > invalidShown ? " and \(names.count - invalidShown) more" : ""
        return ["\(names.count) \(names.count == 1 ? "declaration" : "declarations") invalid (\(shown)\(more))"]
    }

    /// The tunnels that the errors among the diagnostics are about, each once and in their order.
    private static func invalid(_ diagnostics: [WireObject<DiagnosticView>]) -> [String] {
        diagnostics.reduce(into: []) { names, diagnostic in
            let path = diagnostic.path.split(separator: ".")
            guard diagnostic.severity == "error", path.count > 1, path[0] == "tunnels" else { return }
            let name = PlainText.line(String(path[1]))
            if !names.contains(name) { names.append(name) }
        }
    }

    private static func counted(_ count: Int64, _ word: String) -> String? { count > 0 ? "\(count) \(word)" : nil }

    private func colored(_ text: String, _ code: String) -> String {
        isColored ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - DisplayWidth.of(text)))
    }

    private func trimmed(_ text: String) -> String {
        var text = text
        while text.last == " " { text.removeLast() }
        return text
    }
}
