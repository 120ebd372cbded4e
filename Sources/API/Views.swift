package import Config
package import Reconciler
package import Tunnel

#if canImport(FoundationEssentials)
package import FoundationEssentials
#else
package import Foundation
#endif

/// The wire shape of an instance: NodePass v1.14's 17 keys in its order, then ours.
///
/// No key of ours may end in `url`: np.sh takes the last `url":"` of a text.
package enum InstanceView {
    /// The bare object, as lists and events carry it.
    package static func object(_ instance: Instance, status: WireStatus? = nil, now: Date) -> JSONValue {
        .object(members(instance, status: status ?? WireStatus(instance.phase), now: now))
    }

    /// The answer about one instance: its keys and the details, then `success` and `data` for clients of the v1.2 document.
    ///
    /// `story` is what only a GET tells: its keys and its last events.
    package static func answer(
        _ instance: Instance,
        _ story: InstanceStory? = nil,
        status: WireStatus? = nil,
        now: Date
    ) -> JSONValue {
        let members = members(instance, status: status ?? WireStatus(instance.phase), now: now)
        return enveloped(members + details(instance.status) + (story.map(StoryView.members) ?? []))
    }

    static func enveloped(_ members: [JSONValue.Member]) -> JSONValue {
        .object(members + [JSONValue.Member("success", true), JSONValue.Member("data", .object(members))])
    }

    private static func members(_ instance: Instance, status: WireStatus, now: Date) -> [JSONValue.Member] {
        let head: KeyValuePairs<String, JSONValue> = [
            "id": .string(instance.id),
            "alias": .string(instance.labels.alias),
            "type": .string(instance.spec.role.rawValue),
            "status": .string(status.rawValue),
            "url": .string(instance.url),
            "config": .string(instance.config),
            "restart": .bool(instance.autostart),
            "meta": meta(instance.labels),
        ]
        return head.map { JSONValue.Member($0.key, $0.value) }
            + counters(instance.status, traffic: instance.traffic)
            + extensions(instance, now: now)
    }

    /// `mode` to `udptx`.
    fileprivate static func counters(_ status: TunnelStatus?, traffic: Traffic) -> [JSONValue.Member] {
        let pairs: KeyValuePairs<String, JSONValue> = [
            "mode": number(status?.resolvedMode),
            "ping": number(status?.pingMilliseconds),
            "pool": number(status?.poolIdle),
            "tcps": number(status?.tcpConnections),
            "udps": number(status?.udpSessions),
            "tcprx": JSONValue.bytes(traffic.tcpRx),
            "tcptx": JSONValue.bytes(traffic.tcpTx),
            "udprx": JSONValue.bytes(traffic.udpRx),
            "udptx": JSONValue.bytes(traffic.udpTx),
        ]
        return pairs.map { JSONValue.Member($0.key, $0.value) }
    }

    private static func extensions(_ instance: Instance, now: Date) -> [JSONValue.Member] {
        let status = instance.status
        let pairs: KeyValuePairs<String, JSONValue> = [
            "name": instance.name.map(JSONValue.string) ?? .null,
            "origin": .string(instance.origin.rawValue),
            "source": instance.source.map { .string("\($0.file):\($0.line)") } ?? .null,
            "phase": .string(instance.phase.rawValue),
            "reason": .string(status?.reason?.rawValue ?? ""),
            "message": .string(message(instance, now: now)),
            "revision": .string(instance.revision),
            "override": instance.override.map { override($0) } ?? .null,
            "connections": number((status?.tcpConnections ?? 0) + (status?.udpSessions ?? 0)),
            "pool_size": number(status?.poolIdle),
            "uptime": number(status?.readySince.map { max(0, Int(now.timeIntervalSince($0))) }),
            "tcp_in": JSONValue.bytes(instance.traffic.tcpRx),
            "tcp_out": JSONValue.bytes(instance.traffic.tcpTx),
            "udp_in": JSONValue.bytes(instance.traffic.udpRx),
            "udp_out": JSONValue.bytes(instance.traffic.udpTx),
            "draining": status.flatMap(draining) ?? .null,
            "rejected": number(status?.rejected),
            "refused": number(status?.refused),
            "certificate": status?.certificate.map { certificate($0, now: now) } ?? .null,
        ]
        return pairs.map { JSONValue.Member($0.key, $0.value) }
    }

    /// A tunnel that drains says how far it is: "3 connections, 12 s left".
    package static func message(_ instance: Instance, now: Date = Date()) -> String {
        guard let status = instance.status else { return "" }
        guard status.phase == .draining, let deadline = status.drainDeadline else { return status.message }
        let seconds = max(0, Int(deadline.timeIntervalSince(now).rounded(.up)))
        let count = status.drainingConnections
        return "\(count) connection\(count == 1 ? "" : "s"), \(seconds) s left"
    }

    private static func draining(_ status: TunnelStatus) -> JSONValue? {
        guard status.drainingConnections > 0, let deadline = status.drainDeadline else { return nil }
        return .object([
            "connections": number(status.drainingConnections), "until": .string(RFC3339.text(deadline)),
        ])
    }

    /// One key with its value in words and, where it stands in a manifest, its place.
    static func field(_ field: ShownField, _ source: SourceLocation?) -> JSONValue {
        .object([
            "path": .string(field.path),
            "value": .string(field.text),
            "class": .string(field.class.rawValue),
            "source": source.map { .string("\($0.file):\($0.line)") } ?? .null,
        ])
    }

    /// What only the answer about one instance has, because lists and events are read far more often.
    private static func details(_ status: TunnelStatus?) -> [JSONValue.Member] {
        [
            JSONValue.Member("listening", .array(listening(status).map { .string($0.description) })),
            JSONValue.Member("history", .array((status?.transitions ?? []).map(transition))),
        ]
    }

    /// Each address once, whether TCP, UDP or both are carried there.
    private static func listening(_ status: TunnelStatus?) -> [Endpoint] {
        (status?.listening ?? []).reduce(into: []) { seen, address in
            if !seen.contains(address) { seen.append(address) }
        }
    }

    private static func transition(_ step: PhaseTransition) -> JSONValue {
        .object([
            "phase": .string(step.phase.rawValue),
            "reason": .string(step.reason?.rawValue ?? ""),
            "message": .string(step.message),
            "time": .string(RFC3339.text(step.time)),
        ])
    }

    /// `expiresInDays` counts whole days, and is negative once the certificate has expired.
    private static func certificate(_ certificate: CertificateSummary, now: Date) -> JSONValue {
        let days = (certificate.notAfter.timeIntervalSince(now) / 86_400).rounded(.down)
        return .object([
            "subject": .string(certificate.subject),
            "notBefore": .string(RFC3339.text(certificate.notBefore)),
            "notAfter": .string(RFC3339.text(certificate.notAfter)),
            "fingerprint": .string(certificate.fingerprint),
            "expiresInDays": .int(Int64(days)),
            "warning": certificate.expiryWarning(now: now).map(JSONValue.string) ?? .null,
        ])
    }

    /// What the override changes (only that), then who made it and until when it stands.
    ///
    /// `isMasked` hides the tunnel's key in the URL, for events that people read.
    static func override(_ override: Override, isMasked: Bool = false) -> JSONValue {
        var members: [JSONValue.Member] = []
        if let running = override.running {
            members.append(JSONValue.Member("state", running ? "running" : "stopped"))
        }
        if let url = override.url {
            members.append(JSONValue.Member("command", .string(isMasked ? TunnelURL.masked(url) : url)))
        }
        if override.deleted { members.append(JSONValue.Member("deleted", true)) }
        if let alias = override.alias { members.append(JSONValue.Member("alias", .string(alias))) }
        if let tags = override.tags { members.append(JSONValue.Member("tags", self.tags(tags))) }
        if let peer = override.peer { members.append(JSONValue.Member("peer", self.peer(peer))) }
        if let autostart = override.autostart { members.append(JSONValue.Member("restart", .bool(autostart))) }
        members.append(JSONValue.Member("since", .string(RFC3339.text(override.since))))
        members.append(
            JSONValue.Member("until", override.until.map { .string(RFC3339.text($0)) } ?? .null)
        )
        members.append(JSONValue.Member("by", .string(override.by)))
        return .object(members)
    }

    fileprivate static func meta(_ labels: TunnelLabels) -> JSONValue {
        .object(["peer": peer(labels.peer), "tags": tags(labels.tags)])
    }

    private static func peer(_ peer: PeerLabel) -> JSONValue {
        .object(["sid": .string(peer.sid), "type": .string(peer.type), "alias": .string(peer.alias)])
    }

    private static func tags(_ tags: [String: String]) -> JSONValue {
        .object(tags.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, .string($0.value)) })
    }

    private static func number(_ value: Int?) -> JSONValue { .int(Int64(value ?? 0)) }

    /// Clients read counters as 64-bit signed integers.
}

/// What v1.14's `status` can say; everything finer is in `phase` and `reason`.
package enum WireStatus: String, Sendable {
    case running
    case stopped
    case error

    package init(_ phase: TunnelPhase) {
        switch phase {
        case .starting, .connecting, .ready: self = .running
        case .draining, .stopping, .stopped: self = .stopped
        case .backoff, .failed: self = .error
        }
    }
}

/// The pseudo instance that shows the API key, as v1.14 has it in every list.
package enum KeyView {
    package static let id = "********"

    package static func object(key: String, masterID: String, alias: String) -> JSONValue {
        .object(members(key: key, masterID: masterID, alias: alias))
    }

    package static func answer(key: String, masterID: String, alias: String) -> JSONValue {
        InstanceView.enveloped(members(key: key, masterID: masterID, alias: alias))
    }

    private static func members(key: String, masterID: String, alias: String) -> [JSONValue.Member] {
        let head: KeyValuePairs<String, JSONValue> = [
            "id": .string(id),
            "alias": .string(alias),
            "type": "",
            "status": "",
            "url": .string(key),
            "config": .string(masterID),
            "restart": false,
            "meta": InstanceView.meta(TunnelLabels()),
        ]
        return head.map { JSONValue.Member($0.key, $0.value) }
            + InstanceView.counters(nil, traffic: Traffic())
    }
}

extension JSONValue {
    /// A counter: clients read 64 bits with a sign.
    static func bytes(_ count: UInt64) -> JSONValue { .int(Int64(clamping: count)) }
}
