import Config
import FoundationEssentials
import Tunnel

/// The problems that are no tunnel's: of the manifest and the store, and of overrides that hide a tunnel.
extension Problem {
    static func all(of status: ReconcileStatus, _ state: DesiredState, now: Date) -> [Problem] {
        var problems = status.invalid.map { invalid in
            let id = state.records.values.first { $0.isLive && $0.name == invalid.name }?.id
            let stays = id == nil ? "it does not run" : "its last good form runs"
            // Its place is where it was before the file became unreadable.
            let what =
                status.rejection == nil
                ? "the declaration on disk is invalid, \(invalid.error?.placed ?? "see the manifest"); \(stays)"
                : "the declaration was invalid when the manifest could last be read; \(stays)"
            var problem = Problem(
                .invalidDeclaration,
                id: id,
                name: invalid.name,
                what,
                remedy: "correct the file; it is read again when it is saved"
            )
            problem.since = invalid.since
            return problem
        }
        if let rejection = status.rejection {
            let first = rejection.diagnostics.first { $0.severity == .error }
            var problem = Problem(
                .manifestRejected,
                "the manifest cannot be read, and the last good one stays: \(first?.placed ?? "")",
                remedy: "correct the file; `nodepass plan` shows every problem"
            )
            problem.since = rejection.time
            problems.append(problem)
        }
        if let storage = status.storage {
            var problem = Problem(
                .storage,
                storage.error.description,
                remedy: "changes through the API are refused until then"
            )
            problem.since = storage.since
            problems.append(problem)
        }
        let hidden = state.records.values.filter { $0.isLive && $0.override?.deleted == true }
        problems += hidden.compactMap { record in
            record.override.flatMap { old($0, id: record.id, name: record.name ?? record.id, now: now) }
        }
        return problems
    }
}

extension Diagnostic {
    /// `tunnels.yaml:15:13: tunnels.web.limits.rate: …`.
    package var placed: String {
        let place = location.map { "\($0): " } ?? ""
        return place + (path.isEmpty ? "" : path + ": ") + message
    }
}
