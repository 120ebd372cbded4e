import Config
import Logging
import Tunnel

/// The lines of the daemon's log about what the reconciler does.
extension Logger {
    func info(
        _ outcome: DeclareOutcome,
        of reading: ManifestReading,
        revision: String,
        naming name: (InstanceID) -> String
    ) {
        info("manifest read", metadata: ["revision": "\(revision)", "changed": "\(outcome.changed.count)"])
        for id in outcome.overtaken {
            info("override ended, its declaration was edited", metadata: ["tunnel": "\(name(id))"])
        }
        for id in outcome.adopted { info("instance adopted", metadata: ["tunnel": "\(name(id))"]) }
        for id in outcome.orphaned { info("declaration gone, tunnel kept", metadata: ["tunnel": "\(name(id))"]) }
        for name in outcome.invalid {
            let reason = reading.error(inTunnel: name)?.description ?? ""
            error(
                "declaration invalid, the last good one stays",
                metadata: ["tunnel": "\(name)", "reason": "\(reason)"]
            )
        }
    }

    /// What someone asked for, and why.
    func info(_ notice: ReconcileNotice, naming name: String, _ context: MutationContext) {
        let (message, change): (Logger.Message, String) =
            switch notice {
            case .override: ("declaration overridden", "")
            case .release: ("override released", "")
            case .request(_, let change, _, _): ("changed by request", change.rawValue)
            default: ("changed by request", "")
            }
        var metadata: Logger.Metadata = ["tunnel": "\(name)", "by": "\(context.by)"]
        if !change.isEmpty { metadata["change"] = "\(change)" }
        if let note = context.note { metadata["note"] = "\(PlainText.line(note))" }
        info(message, metadata: metadata)
    }

    func log(_ change: ProblemWatch.Change) {
        switch change {
        case .began(let problem):
            log(level: .warning, "problem", metadata: metadata(of: problem, problem.text))
        case .ended(let problem):
            info("problem over", metadata: metadata(of: problem, ""))
        }
    }

    private func metadata(of problem: Problem, _ text: String) -> Metadata {
        var metadata: Metadata = ["kind": "\(problem.kind.rawValue)"]
        if let name = problem.name { metadata["tunnel"] = "\(PlainText.line(name))" }
        if !text.isEmpty { metadata["detail"] = "\(PlainText.line(text))" }
        return metadata
    }

    func info(_ action: ReconcilePlan.Action, naming name: String) {
        switch action {
        case .remove: info("removing tunnel", metadata: ["tunnel": "\(name)"])
        case .stop: info("stopping tunnel", metadata: ["tunnel": "\(name)"])
        case .run(let desired, let reason, _):
            info(
                "applying tunnel",
                metadata: ["tunnel": "\(name)", "revision": "\(desired.revision)", "reason": "\(reason.name)"]
            )
        }
    }

    func log(_ step: PhaseTransition, naming name: String) {
        log(
            level: step.phase.isFailing ? .warning : .info,
            "tunnel phase",
            metadata: [
                "tunnel": "\(name)", "phase": "\(step.phase.rawValue)", "reason": "\(step.reason?.rawValue ?? "")",
                "detail": "\(step.message)",
            ]
        )
    }
}
