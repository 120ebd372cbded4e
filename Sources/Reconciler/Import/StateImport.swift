import Config
package import FoundationEssentials
package import Tunnel

/// What becomes of another master's state here: the records and settings to store, and a line about each instance.
///
/// All or nothing: made completely before anything is stored, and stored in one transaction.
package struct StateImport: Sendable {
    package enum Outcome: Sendable, Hashable {
        case imported
        /// It is here already, with the same URL and labels.
        case present
        case skipped(why: String)
    }

    package struct Line: Sendable, Hashable {
        package let id: InstanceID
        package let alias: String
        /// Without its key.
        package let url: String
        package let startsWithDaemon: Bool
        package let outcome: Outcome
        /// Labels that are too long to be kept.
        package let notes: [String]
    }

    /// By id.
    package private(set) var lines: [Line] = []
    package private(set) var records: [InstanceRecord] = []
    /// Nil where the file has no key that could be taken over.
    package private(set) var identity: ImportedIdentity?
    package private(set) var identityNote: String?

    /// Throws where an instance would replace another of the same id, or there would be too many.
    package init(_ state: ImportedState, into existing: StoredInstances, now: Date) throws(StateImportError) {
        let present = Dictionary(existing.records.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var conflicts: [InstanceID] = []
        for row in state.instances {
            let candidate = StateImport.candidate(row, now: now)
            var outcome = candidate.outcome
            if let record = candidate.record {
                if let known = present[row.id] {
                    outcome = .present
                    if !known.isSame(as: record) { conflicts.append(row.id) }
                } else if existing.unusable[row.id] != nil {
                    conflicts.append(row.id)
                } else {
                    records.append(record)
                }
            }
            lines.append(
                Line(
                    id: row.id,
                    alias: row.alias,
                    url: TunnelURL.masked(row.url),
                    startsWithDaemon: row.restart,
                    outcome: outcome,
                    notes: candidate.notes
                )
            )
        }
        guard conflicts.isEmpty else { throw .conflicts(conflicts) }
        guard existing.records.count + existing.unusable.count + records.count <= DesiredState.instanceLimit else {
            throw .tooMany(limit: DesiredState.instanceLimit)
        }
        readIdentity(state.key)
    }

    private mutating func readIdentity(_ row: ImportedState.Row?) {
        guard let row else {
            identityNote = "the file holds no API key"
            return
        }
        identity = ImportedIdentity(apiKey: row.url, masterID: row.config, masterAlias: row.alias)
        if identity == nil { identityNote = "the file's API key is not 32 hex digits" }
    }

    private struct Candidate {
        var record: InstanceRecord?
        var outcome = Outcome.imported
        var notes: [String] = []
    }

    private static func candidate(_ row: ImportedState.Row, now: Date) -> Candidate {
        guard Hex.isLowercase(row.id, digits: 8) else {
            return Candidate(outcome: .skipped(why: "its id is not 8 hex digits"))
        }
        let spec: TunnelSpec
        do throws(TunnelURLError) {
            spec = try TunnelURL.parse(row.url).spec
        } catch {
            let problems = error.diagnostics.map { "\($0.path): \($0.message)" }.joined(separator: "; ")
            return Candidate(outcome: .skipped(why: problems))
        }
        let (labels, notes) = labels(of: row)
        var record = InstanceRecord(
            id: row.id,
            origin: .api,
            url: row.url,
            spec: spec,
            labels: labels,
            revision: "",
            createdAt: now
        )
        record.autostart = row.restart
        // A master that was stopped properly leaves every status `stopped`; what it starts again is what has `restart`.
        record.running = row.restart
        record.traffic = row.traffic
        record.revision = record.contentRevision
        return Candidate(record: record, notes: notes)
    }

    /// NodePass lets an alias grow without limit where an instance is created.
    private static func labels(of row: ImportedState.Row) -> (TunnelLabels, notes: [String]) {
        var labels = TunnelLabels()
        var notes: [String] = []
        func take(_ change: (inout TunnelLabels) -> Void) {
            var changed = labels
            change(&changed)
            do throws(MutationError) {
                try DesiredState.check(changed)
                labels = changed
            } catch {
                guard case .invalid(let message, _) = error else { return }
                notes.append("not imported: " + message)
            }
        }
        take { $0.alias = row.alias }
        take { $0.tags = row.tags }
        take { $0.peer = row.peer }
        return (labels, notes)
    }
}

/// The API key of another master, its id and its alias, as far as they can be ours.
package struct ImportedIdentity: Sendable, Hashable {
    package let apiKey: String
    /// Nil where it is not 16 hex digits.
    package let masterID: String?
    /// Empty where it is too long.
    package let masterAlias: String

    /// Nil for what is no key: clients expect 32 hex digits.
    package init?(apiKey: String, masterID: String, masterAlias: String) {
        guard Hex.isLowercase(apiKey, digits: 32) else { return nil }
        self.apiKey = apiKey
        self.masterID = Hex.isLowercase(masterID, digits: 16) ? masterID : nil
        self.masterAlias = TunnelLabels.fits(masterAlias) ? masterAlias : ""
    }
}

/// Why nothing was imported.
package enum StateImportError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Ids of instances that are here already and differ.
    case conflicts([InstanceID])
    case tooMany(limit: Int)

    package var description: String {
        switch self {
        case .conflicts(let ids):
            "instances with these ids already exist with other values: \(ids.joined(separator: ", ")); "
                + "delete these, or import into another --state-dir"
        case .tooMany(let limit): "there would be more than \(limit) instances, the most a daemon accepts"
        }
    }
}

extension InstanceRecord {
    /// Whether importing `other` again would change nothing that somebody said; counters may have grown since.
    fileprivate func isSame(as other: InstanceRecord) -> Bool {
        origin == other.origin && !departing && contentRevision == other.contentRevision
    }
}
