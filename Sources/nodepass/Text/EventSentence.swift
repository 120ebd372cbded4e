import API
import Config

/// Events of the reconciler as sentences: `web stopped by root, until 2026-11-27 02:00:00 +01:00: INC-42`.
struct EventSentence {
    let time: LocalTime
    /// Whether plans are shown, and what each pass did to which tunnel.
    let showsSteps: Bool

    /// None for an event that says nothing new.
    func lines(_ event: JSONValue) -> [String] {
        let notice = WireObject<NoticeView>(event)
        let sentences = sentences(notice)
        guard let first = sentences.first else { return [] }
        return ["\(time.text(notice.time))  \(first)"] + sentences.dropFirst().map { "    " + $0 }
    }

    private func sentences(_ notice: WireObject<NoticeView>) -> [String] {
        let name = [notice.tunnel ?? "", notice.alias ?? ""].filter { !$0.isEmpty }
        let tunnel = name.isEmpty ? notice.id ?? "" : name.count == 2 ? "\(name[1]) (\(name[0]))" : name[0]
        switch notice.type {
        case "plan": return showsSteps ? plan(WireObject<NoticeView.Planned>(notice.json)) : []
        case "apply": return [applied(WireObject<NoticeView.Applied>(notice.json))]
        case "reject": return rejected(WireObject<NoticeView.Rejected>(notice.json))
        case "override": return ["\(tunnel) \(overridden(WireObject<NoticeView.Overridden>(notice.json).override))"]
        case "release": return [released(tunnel, WireObject<NoticeView.Released>(notice.json))]
        case "request": return [requested(tunnel, WireObject<NoticeView.Requested>(notice.json))]
        case "drift": return [drifted(tunnel, WireObject<NoticeView.Drift>(notice.json))]
        case "problem": return [troubled(tunnel, WireObject<NoticeView.ProblemChange>(notice.json))]
        default: return []
        }
    }

    // MARK: Kinds

    private func plan(_ plan: WireObject<NoticeView.Planned>) -> [String] {
        [PlanText.summary(plan.counts)] + plan.steps.map { "\($0.name): \($0.action)" }
    }

    private func applied(_ pass: WireObject<NoticeView.Applied>) -> String {
        let failing = pass.failing.isEmpty ? "" : "; failing: \(pass.failing.joined(separator: ", "))"
        return "revision \(pass.revision.prefix(12)) applied\(failing)"
    }

    private func rejected(_ rejection: WireObject<NoticeView.Rejected>) -> [String] {
        let problems = rejection.count == 1 ? "1 problem" : "\(rejection.count) problems"
        return ["manifest rejected, nothing changed: \(problems)"] + rejection.diagnostics.map(DiagnosticText.line)
    }

    /// `stopped by root (local CLI), until released: INC-42`.
    private func overridden(_ override: WireObject<OverrideView>) -> String {
        let end = override.until.map { "until \(time.text($0))" } ?? "until released"
        return "\(Self.verb(override)) by \(override.by), \(end)" + Self.note(override.note)
    }

    /// `stopped`, `changed (its URL)`.
    static func verb(_ override: WireObject<OverrideView>) -> String {
        var changes: [String] = []
        if override.command != nil { changes.append("its URL") }
        if override.alias != nil { changes.append("its alias") }
        if override.tags != nil { changes.append("its tags") }
        if override.peer != nil { changes.append("its peer") }
        if override.restart != nil { changes.append("its restart") }
        return switch (override.deleted, override.state) {
        case (true, _): "deleted"
        case (_, "stopped"): "stopped"
        case (_, "running"): "started"
        default: changes.isEmpty ? "overridden" : "changed (\(changes.joined(separator: ", ")))"
        }
    }

    private func released(_ tunnel: String, _ release: WireObject<NoticeView.Released>) -> String {
        switch release.cause {
        case "expiry": "\(tunnel): override expired"
        case "edit": "\(tunnel): override ended, because the declaration was edited"
        default: "\(tunnel) released by \(release.by)" + Self.note(release.note)
        }
    }

    /// What was asked of a tunnel without an override.
    private func requested(_ tunnel: String, _ request: WireObject<NoticeView.Requested>) -> String {
        let verb =
            switch request.change {
            case "create": "created"
            case "start": "started"
            case "stop": "stopped"
            case "restart": "restarted"
            case "reset": "reset (its counters)"
            case "delete": "deleted"
            case "replace": "replaced (its URL)"
            case "forget-peer": "made to forget its peer"
            default: "changed (its labels or its start)"
            }
        return "\(tunnel) \(verb) by \(request.by)" + Self.note(request.note)
    }

    private func drifted(_ tunnel: String, _ drift: WireObject<NoticeView.Drift>) -> String {
        guard !drift.resolved else { return "\(tunnel) recovered: \(drift.phase)" }
        let why = [drift.reason, drift.message].filter { !$0.isEmpty }.joined(separator: ": ")
        return "\(tunnel) failed (\(drift.phase))" + (why.isEmpty ? "" : ": \(why)")
    }

    private func troubled(_ tunnel: String, _ problem: WireObject<NoticeView.ProblemChange>) -> String {
        let subject = tunnel.isEmpty ? "" : tunnel + ": "
        return problem.resolved ? "\(subject)over: \(problem.message)" : subject + problem.message
    }

    private static func note(_ note: String?) -> String { note.map { ": " + $0 } ?? "" }
}
