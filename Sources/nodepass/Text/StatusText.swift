import API
import Config

/// The state of a daemon on one screen: its problems, then its figures.
enum StatusText {
    /// Problems that are printed; the rest is counted.
    private static let limit = 40

    static func text(_ status: WireObject<StatusView>) -> String {
        let problems = status.problems
        let more = problems.count > limit ? ["… \(problems.count - limit) more: nodepass status --json", ""] : []
        let lines = problems.prefix(limit).flatMap(Self.lines) + more + figures(status)
        return ([headline(status)] + lines.map(PlainText.line)).joined(separator: "\n")
    }

    private static func headline(_ status: WireObject<StatusView>) -> String {
        let count = status.problems.count
        guard count > 0 else { return "No problems." }
        return "\(count) \(count == 1 ? "problem" : "problems"), \(status.urgent) urgent:\n"
    }

    /// What it is about, what is wrong, and what to do.
    private static func lines(_ problem: WireObject<ProblemView>) -> [String] {
        let since = problem.since.map { ", since \(InstanceText.time($0))" } ?? ""
        let lines = ["\(problem.urgent ? "!" : "-") \(problem.tunnel ?? "daemon"): \(problem.words)\(since)"]
        return lines + [problem.text, problem.remedy].filter { !$0.isEmpty }.map { "    " + $0 } + [""]
    }

    private static func figures(_ status: WireObject<StatusView>) -> [String] {
        let tunnels = ["\(status.tunnels) (\(status.ready) ready", "\(status.stopped) stopped"]
        let overridden = "\(status.overridden) overridden)"
        let files = status.files.isEmpty ? "none" : status.files.joined(separator: ", ")
        let pass = status.lastPass.map { ", last pass \(InstanceText.time($0))" } ?? ""
        let certificates = status.certificates.prefix(3).map { certificate in
            "\(certificate.tunnel ?? "API") until \(InstanceText.time(certificate.notAfter))"
        }
        return [
            "Tunnels:       " + (tunnels + [overridden]).joined(separator: ", "),
            "Manifest:      \(files)\(status.revision.isEmpty ? "" : ", revision \(status.revision)")\(pass)",
        ] + (certificates.isEmpty ? [] : ["Certificates:  " + certificates.joined(separator: ", ")])
            + ["Daemon:        \(status.build), since \(InstanceText.time(status.started))"]
    }
}
