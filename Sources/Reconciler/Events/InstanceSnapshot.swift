package import Config
package import FoundationEssentials
package import Tunnel

/// What clients see of one instance at one moment.
///
/// An event keeps it as columns, so that it can be shown again after a restart. An ``Instance`` has
/// more: its checked spec and the engine's whole status.
package struct InstanceSnapshot: Sendable, Hashable {
    /// What the engine reported; zero and empty before it has the instance.
    package struct Status: Sendable, Hashable {
        package var reason: TunnelReason?
        package var message = ""
        package var resolvedMode = 0
        package var pingMilliseconds = 0
        package var poolIdle = 0
        package var tcpConnections = 0
        package var udpSessions = 0
        package var readySince: Date?
        package var drainingConnections = 0
        package var drainDeadline: Date?
        package var rejected = 0
        /// Not stored: it is of the moment.
        package var refused = 0
        package var certificate: CertificateSummary?

        package init() {}
    }

    package let id: InstanceID
    package var name: String?
    package var origin: Instance.Origin
    package var source: SourceLocation?
    package var role: TunnelRole
    package var url: String
    package var config: String
    package var labels: TunnelLabels
    package var autostart: Bool
    package var phase: TunnelPhase
    package var revision: String
    package var override: Override?
    package var traffic: Traffic
    package var status: Status

    package init(_ instance: Instance) {
        id = instance.id
        name = instance.name
        origin = instance.origin
        source = instance.source
        role = instance.spec.role
        url = instance.url
        config = instance.config
        labels = instance.labels
        autostart = instance.autostart
        phase = instance.phase
        revision = instance.revision
        override = instance.override
        traffic = instance.traffic
        status = instance.status.map(Status.init) ?? Status()
    }

    /// For one that comes from the store.
    init(
        id: InstanceID,
        name: String?,
        origin: Instance.Origin,
        source: SourceLocation?,
        role: TunnelRole,
        url: String,
        config: String,
        labels: TunnelLabels,
        autostart: Bool,
        phase: TunnelPhase,
        revision: String,
        override: Override?,
        traffic: Traffic,
        status: Status
    ) {
        self.id = id
        self.name = name
        self.origin = origin
        self.source = source
        self.role = role
        self.url = url
        self.config = config
        self.labels = labels
        self.autostart = autostart
        self.phase = phase
        self.revision = revision
        self.override = override
        self.traffic = traffic
        self.status = status
    }
}

extension InstanceSnapshot.Status {
    fileprivate init(_ status: TunnelStatus) {
        reason = status.reason
        message = status.message
        resolvedMode = status.resolvedMode
        pingMilliseconds = status.pingMilliseconds
        poolIdle = status.poolIdle
        tcpConnections = status.tcpConnections
        udpSessions = status.udpSessions
        readySince = status.readySince
        drainingConnections = status.drainingConnections
        drainDeadline = status.drainDeadline
        rejected = status.rejected
        refused = status.refused
        certificate = status.certificate
    }
}
