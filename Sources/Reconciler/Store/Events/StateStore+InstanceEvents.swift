import Config
import FoundationEssentials
import GRDB
import Tunnel

/// The columns of an instance event: what clients saw of the instance then.
extension StateStore {
    private static let instanceEventColumns = [
        "time", "kind", "instance_id", "name", "origin", "source", "role", "url", "config", "alias", "tags", "peer",
        "autostart", "phase", "revision", "override", "tcp_rx", "tcp_tx", "udp_rx", "udp_tx", "reason", "message",
        "mode", "ping", "pool", "tcps", "udps", "ready_since", "draining", "drain_until", "rejected", "certificate",
    ]

    private static let instanceEventInsertion: String = {
        let places = instanceEventColumns.map { _ in "?" }.joined(separator: ", ")
        let columns = instanceEventColumns.joined(separator: ", ")
        return "INSERT INTO \(EventLog.instances.table) (\(columns)) VALUES (\(places))"
    }()

    static func insert(
        _ kind: StreamEvent.Kind,
        _ instance: InstanceSnapshot,
        at time: Date,
        into database: Database
    ) throws {
        let status = instance.status
        let what: StatementArguments = [
            seconds(time), kind.rawValue, instance.id, instance.name, instance.origin.rawValue,
            instance.source.map(RecordText.text), instance.role.rawValue, instance.url, instance.config,
        ]
        let record: StatementArguments = [
            instance.labels.alias, RecordText.json(instance.labels.tags), RecordText.json(instance.labels.peer),
            instance.autostart, instance.phase.rawValue, instance.revision,
            instance.override.map { RecordText.json(StoredOverride($0)) },
        ]
        let reported: StatementArguments = [
            status.reason?.rawValue, status.message, status.resolvedMode, status.pingMilliseconds, status.poolIdle,
            status.tcpConnections, status.udpSessions, seconds(status.readySince), status.drainingConnections,
            seconds(status.drainDeadline), status.rejected,
            status.certificate.map { RecordText.json(StoredCertificate($0)) },
        ]
        let statement = try database.cachedStatement(sql: instanceEventInsertion)
        try statement.execute(arguments: what + record + counters(instance.traffic) + reported)
    }

    static func snapshot(_ row: Row) -> InstanceSnapshot {
        var status = InstanceSnapshot.Status()
        status.reason = (row["reason"] as String?).flatMap(TunnelReason.init)
        status.message = row["message"]
        status.resolvedMode = row["mode"]
        status.pingMilliseconds = row["ping"]
        status.poolIdle = row["pool"]
        status.tcpConnections = row["tcps"]
        status.udpSessions = row["udps"]
        status.readySince = (row["ready_since"] as Double?).map(time)
        status.drainingConnections = row["draining"]
        status.drainDeadline = (row["drain_until"] as Double?).map(time)
        status.rejected = row["rejected"]
        status.certificate = RecordText.value(StoredCertificate.self, row["certificate"])?.certificate
        return InstanceSnapshot(
            id: row["instance_id"],
            name: row["name"],
            origin: Instance.Origin(rawValue: row["origin"]) ?? .api,
            source: (row["source"] as String?).flatMap(RecordText.location),
            role: TunnelRole(rawValue: row["role"]) ?? .client,
            url: row["url"],
            config: row["config"],
            labels: labels(row),
            autostart: row["autostart"],
            phase: TunnelPhase(rawValue: row["phase"]) ?? .stopped,
            revision: row["revision"],
            override: RecordText.value(StoredOverride.self, row["override"])?.override,
            traffic: counters(of: row),
            status: status
        )
    }
}
