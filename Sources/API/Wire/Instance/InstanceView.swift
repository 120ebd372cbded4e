package import Config
package import FoundationEssentials
package import Reconciler
import Tunnel

/// The wire shape of an instance: NodePass v1.14's keys, then ours, then what only some answers
/// add.
package enum InstanceView {
    /// The bare object, as lists carry it.
    package static func object(_ instance: Instance, status: WireStatus? = nil, now: Date) -> JSONValue {
        object(InstanceSnapshot(instance), status: status, now: now)
    }

    /// The bare object, as events carry it.
    static func object(_ instance: InstanceSnapshot, status: WireStatus? = nil, now: Date) -> JSONValue {
        .object(members(instance, status: status, now: now))
    }

    /// The answer about one instance: its keys and the details, then `success` and `data` for
    /// clients of the v1.2 document.
    ///
    /// `details` is what only a GET adds: its keys and its last events; `findings` what only a dry run adds.
    package static func answer(
        _ instance: Instance,
        _ details: InstanceDetails? = nil,
        findings: [Diagnostic]? = nil,
        status: WireStatus? = nil,
        now: Date
    ) -> JSONValue {
        var members = members(InstanceSnapshot(instance), status: status, now: now)
        StatusKeys.append(instance.status, to: &members)
        if let details { HistoryKeys.append(details, to: &members) }
        if let findings { DryRunKeys.append(findings, to: &members) }
        return enveloped(members)
    }

    static func enveloped(_ members: [JSONValue.Member]) -> JSONValue {
        .object(members + [JSONValue.Member("success", true), JSONValue.Member("data", .object(members))])
    }

    private static func members(_ instance: InstanceSnapshot, status: WireStatus?, now: Date) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        members.reserveCapacity(memberCount)
        NodePassKeys.append(
            NodePassKeys.Source(instance, status: status ?? WireStatus(instance.phase)),
            to: &members
        )
        OwnKeys.append(OwnKeys.Source(instance: instance, now: now), to: &members)
        return members
    }

    private static let memberCount = NodePassKeys.table.members.count + OwnKeys.table.members.count

    /// A tunnel that drains reports how far it is: "3 connections, 12 s left".
    package static func message(_ instance: Instance, now: Date = Date()) -> String {
        message(InstanceSnapshot(instance), now: now)
    }

    static func message(_ instance: InstanceSnapshot, now: Date) -> String {
        let status = instance.status
        guard instance.phase == .draining, let deadline = status.drainDeadline else { return status.message }
        let seconds = max(0, Int(deadline.timeIntervalSince(now).rounded(.up)))
        let count = status.drainingConnections
        return "\(count) connection\(count == 1 ? "" : "s"), \(seconds) s left"
    }
}
