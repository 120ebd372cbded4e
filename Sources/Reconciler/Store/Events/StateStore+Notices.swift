import Config
import FoundationEssentials
import GRDB
import Tunnel

/// The columns of a notice: each kind fills those that it has something for.
extension StateStore {
    /// What is particular to a kind; the rest stays NULL.
    private struct NoticeColumns {
        var revision: String?
        var counts: String?
        var steps: String?
        var failing: String?
        var problems: Int?
        var diagnostics: String?
        var override: String?
        var cause: String?
        var by: String?
        var note: String?
        var phase: String?
        var reason: String?
        var message: String?
        var isResolved: Bool?

        init(_ notice: ReconcileNotice) {
            switch notice {
            case .plan(let plan, let revision):
                self.revision = revision
                counts = RecordText.json(StoredCounts(plan))
                steps = RecordText.json(plan.steps.map(StoredStep.init))
            case .apply(let plan, let revision, let failing):
                self.revision = revision
                counts = RecordText.json(StoredCounts(plan))
                self.failing = RecordText.json(failing)
            case .reject(let count, let first):
                problems = count
                diagnostics = RecordText.json(first.map(StoredDiagnostic.init))
            case .override(_, let override):
                self.override = RecordText.json(StoredOverride(override))
            case .release(_, let cause, let author, let note):
                self.cause = cause.rawValue
                by = author.description
                self.note = note
            case .request(_, let change, let author, let note):
                cause = change.rawValue
                by = author.description
                self.note = note
            case .problem(_, let kind, let message, let isResolved):
                cause = kind.rawValue
                self.message = message
                self.isResolved = isResolved
            case .drift(_, let phase, let reason, let message, let isResolved):
                self.phase = phase.rawValue
                self.reason = reason?.rawValue
                self.message = message
                self.isResolved = isResolved
            }
        }

        var arguments: StatementArguments {
            [
                revision, counts, steps, failing, problems, diagnostics, override, cause, by, note, phase, reason,
                message, isResolved,
            ]
        }
    }

    static func insert(_ notice: ReconcileNotice, at time: Date, into database: Database) throws {
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO \(EventLog.reconciler.table) (time, kind, instance_id, name, alias, revision, counts, steps,
                    failing, problems, diagnostics, override, cause, by, note, phase, reason, message, resolved)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        )
        let subject = notice.subject
        let head: StatementArguments = [
            seconds(time), notice.kind.rawValue, subject?.id, subject?.name, subject?.alias,
        ]
        try statement.execute(arguments: head + NoticeColumns(notice).arguments)
    }

    /// Nil for a row that only a later version can read.
    static func notice(_ row: Row) -> ReconcileNotice? {
        guard let kind = StreamEvent.Kind(rawValue: row["kind"]) else { return nil }
        switch kind {
        case .plan:
            let steps = RecordText.value([StoredStep].self, row["steps"]) ?? []
            return .plan(digest(row, steps), revision: row["revision"])
        case .apply:
            let failing = RecordText.value([String].self, row["failing"]) ?? []
            return .apply(digest(row, []), revision: row["revision"], failing: failing)
        case .reject:
            let first = RecordText.value([StoredDiagnostic].self, row["diagnostics"]) ?? []
            return .reject(count: row["problems"] ?? 0, first: first.map(\.diagnostic))
        case .override:
            let stored = RecordText.value(StoredOverride.self, row["override"])
            return stored.flatMap { stored in subject(row).map { .override($0, stored.override) } }
        case .release:
            let cause = ReconcileNotice.ReleaseCause(rawValue: row["cause"] ?? "")
            return cause.flatMap { cause in
                subject(row).map { .release($0, cause, by: author(row), note: row["note"]) }
            }
        case .request:
            let change = ReconcileNotice.RequestedChange(rawValue: row["cause"] ?? "")
            return change.flatMap { change in
                subject(row).map { .request($0, change, by: author(row), note: row["note"]) }
            }
        case .problem:
            return Problem.Kind(rawValue: row["cause"] ?? "").map { kind in
                .problem(subject(row), kind, message: row["message"] ?? "", isResolved: row["resolved"] ?? false)
            }
        case .drift:
            return drift(row)
        case .initial, .create, .update, .delete, .log, .shutdown:
            return nil
        }
    }

    private static func author(_ row: Row) -> Author { Author(stored: row["by"] ?? "") }

    private static func drift(_ row: Row) -> ReconcileNotice? {
        guard let subject = subject(row), let phase = TunnelPhase(rawValue: row["phase"] ?? "") else { return nil }
        return .drift(
            subject,
            phase,
            (row["reason"] as String?).flatMap(TunnelReason.init),
            message: row["message"] ?? "",
            isResolved: row["resolved"] ?? false
        )
    }

    private static func subject(_ row: Row) -> ReconcileNotice.Subject? {
        guard let id = row["instance_id"] as String? else { return nil }
        return ReconcileNotice.Subject(id: id, name: row["name"] ?? id, alias: row["alias"])
    }

    private static func digest(_ row: Row, _ steps: [StoredStep]) -> PlanDigest {
        let counts = RecordText.value(StoredCounts.self, row["counts"]) ?? StoredCounts()
        return counts.digest(steps: steps.compactMap(\.step))
    }
}
