import Config
import FoundationEssentials
import Tunnel

/// The stored forms of values that an event holds whole, each in one column.
///
/// They are types of their own so that a rename elsewhere does not change what old rows mean.
/// Times are seconds since 1970.
struct StoredOverride: Codable {
    private var running: Bool?
    private var url: String?
    private var alias: String?
    private var tags: [String: String]?
    private var peer: [String: String]?
    private var autostart: Bool?
    private var deleted: Bool
    private var since: Double
    private var until: Double?
    private var by: String
    private var note: String?
    private var revision: String

    init(_ override: Override) {
        running = override.running
        url = override.url
        alias = override.alias
        tags = override.tags
        peer = override.peer.map(RecordText.members)
        autostart = override.autostart
        deleted = override.deleted
        since = override.since.timeIntervalSince1970
        until = override.until?.timeIntervalSince1970
        by = override.by.description
        note = override.note
        revision = override.revision
    }

    var override: Override {
        let end = until.map { Date(timeIntervalSince1970: $0) }
        var override = Override(
            since: Date(timeIntervalSince1970: since),
            until: end,
            by: Author(stored: by),
            note: note,
            revision: revision
        )
        override.running = running
        override.url = url
        override.alias = alias
        override.tags = tags
        override.peer = peer.map(RecordText.peer)
        override.autostart = autostart
        override.deleted = deleted
        return override
    }
}

struct StoredCertificate: Codable {
    private var subject: String
    private var notBefore: Double
    private var notAfter: Double
    private var fingerprint: String
    private var path: String?

    init(_ certificate: CertificateSummary) {
        subject = certificate.subject
        notBefore = certificate.notBefore.timeIntervalSince1970
        notAfter = certificate.notAfter.timeIntervalSince1970
        fingerprint = certificate.fingerprint
        path = certificate.path
    }

    var certificate: CertificateSummary {
        CertificateSummary(
            subject: subject,
            notBefore: Date(timeIntervalSince1970: notBefore),
            notAfter: Date(timeIntervalSince1970: notAfter),
            fingerprint: fingerprint,
            path: path
        )
    }
}

struct StoredCounts: Codable {
    private var actions: [String: Int] = [:]
    private var overridden = 0
    private var unchanged = 0

    init() {}

    init(_ plan: PlanDigest) {
        actions = Dictionary(plan.counts.map { ($0.key.rawValue, $0.value) }, uniquingKeysWith: +)
        overridden = plan.overridden
        unchanged = plan.unchanged
    }

    func digest(steps: [PlanReport.Step]) -> PlanDigest {
        let known = actions.compactMap { name, count in PlanReport.Action(rawValue: name).map { ($0, count) } }
        return PlanDigest(
            counts: Dictionary(known, uniquingKeysWith: +),
            overridden: overridden,
            unchanged: unchanged,
            steps: steps
        )
    }
}

struct StoredStep: Codable {
    private struct Change: Codable {
        var path: String
        var `class`: String
        var old: String
        var new: String
    }

    private var id: String
    private var name: String
    private var alias: String?
    private var action: String
    private var isChange: Bool
    private var source: String?
    private var route: String
    private var changes: [Change]
    private var connections: Int?
    private var effect: String?
    private var limitSeconds: Double?

    init(_ step: PlanReport.Step) {
        id = step.id
        name = step.name
        alias = step.alias
        action = step.action.rawValue
        isChange = step.isChange
        source = step.source.map(RecordText.text)
        route = step.route
        changes = step.changes.map { Change(path: $0.path, class: $0.class.rawValue, old: $0.old, new: $0.new) }
        connections = step.connections?.count
        effect = step.connections?.effect.rawValue
        limitSeconds = step.connections?.limit.inSeconds
    }

    /// Nil for an action that only a later version knows.
    var step: PlanReport.Step? {
        guard let action = PlanReport.Action(rawValue: action) else { return nil }
        return PlanReport.Step(
            id: id,
            name: name,
            alias: alias,
            action: action,
            isChange: isChange,
            source: source.flatMap(RecordText.location),
            route: route,
            changes: changes.map { change in
                let kind = ChangeClass(rawValue: change.class) ?? .live
                return FieldChange(path: change.path, class: kind, old: change.old, new: change.new)
            },
            connections: shownConnections
        )
    }

    private var shownConnections: PlanReport.Connections? {
        guard let connections, let effect = effect.flatMap(PlanReport.Connections.Effect.init) else { return nil }
        return PlanReport.Connections(count: connections, effect: effect, limit: .seconds(limitSeconds ?? 0))
    }
}

struct StoredDiagnostic: Codable {
    private var severity: String
    private var location: String?
    private var path: String
    private var message: String
    private var code: String
    private var related: String?

    init(_ diagnostic: Diagnostic) {
        severity = diagnostic.severity.rawValue
        location = diagnostic.location.map(RecordText.text)
        path = diagnostic.path
        message = diagnostic.message
        code = diagnostic.code
        related = diagnostic.related.map(RecordText.text)
    }

    var diagnostic: Diagnostic {
        Diagnostic(
            Diagnostic.Severity(rawValue: severity) ?? .error,
            at: location.flatMap(RecordText.location),
            path: path,
            code: code,
            message,
            related: related.flatMap(RecordText.location)
        )
    }
}
