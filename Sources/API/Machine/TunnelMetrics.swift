import Config
import FoundationEssentials
import Reconciler
import Tunnel

/// The metrics of tunnels; the tunnel's name (its id where it has none) is the only label that
/// grows with their number.
enum TunnelMetrics {
    static func families(_ instances: [Instance], leaving: [LeavingInstance]) -> [MetricFamily] {
        let now = Date()
        func figure(_ name: String, _ type: String, _ help: String, _ value: (Instance) -> Double) -> MetricFamily {
            let samples = instances.map { MetricFamily.Sample(labels: [("tunnel", label($0))], value: value($0)) }
            return MetricFamily(name, type, help, samples)
        }
        return [
            MetricFamily(
                "nodepass_tunnel_phase",
                "gauge",
                "1 for the phase that the tunnel is in, 0 for the others.",
                instances.flatMap(phases)
            ),
            traffic(
                "nodepass_tunnel_received_bytes_total",
                "Bytes read at this end: from users where they come in, from the target where it is connected.",
                instances
            ) { traffic in
                (traffic.tcpRx, traffic.udpRx)
            },
            traffic(
                "nodepass_tunnel_sent_bytes_total",
                "Bytes written at this end: to users where they come in, to the target where it is connected.",
                instances
            ) { traffic in
                (traffic.tcpTx, traffic.udpTx)
            },
            MetricFamily(
                "nodepass_tunnel_connections",
                "gauge",
                "Open TCP connections and UDP sessions.",
                instances.flatMap(connections)
            ),
            draining(instances, leaving),
            figure("nodepass_tunnel_pool_idle", "gauge", "Idle links of a two-ended tunnel.") {
                Double($0.status?.poolIdle ?? 0)
            },
            figure("nodepass_tunnel_ping_seconds", "gauge", "Round trip to the other end, or connect time.") {
                Double($0.status?.pingMilliseconds ?? 0) / 1000
            },
            figure(
                "nodepass_tunnel_rejected_total",
                "counter",
                "Connections of strangers that were refused, since the start."
            ) {
                Double($0.status?.rejected ?? 0)
            },
            figure(
                "nodepass_tunnel_refused_total",
                "counter",
                "Users refused because no file descriptor was free, since the start."
            ) {
                Double($0.status?.refused ?? 0)
            },
            figure("nodepass_tunnel_starts_total", "counter", "Times it has become ready, since the start.") {
                Double($0.status?.starts ?? 0)
            },
            figure("nodepass_tunnel_uptime_seconds", "gauge", "Time since it became ready; 0 while it is not.") {
                $0.status?.readySince.map { max(0, now.timeIntervalSince($0)) } ?? 0
            },
            figure("nodepass_tunnel_overridden", "gauge", "1 while an override changes its declaration.") {
                $0.override == nil ? 0 : 1
            },
            certificates(instances),
        ] + health(instances)
    }

    /// What makes a tunnel run and not serve.
    private static func health(_ instances: [Instance]) -> [MetricFamily] {
        [
            MetricFamily(
                "nodepass_tunnel_target_up",
                "gauge",
                "0 while users reach no target of the tunnel; missing before anyone was sent to one.",
                instances.compactMap { instance in
                    guard let targets = instance.status?.targets, !targets.isEmpty else { return nil }
                    return sample(instance, targets.allSatisfy(\.isDown) ? 0 : 1)
                }
            ),
            MetricFamily(
                "nodepass_tunnel_target_errors_total",
                "counter",
                "Failures to reach a target, by cause, since the start.",
                instances.flatMap { instance in
                    TargetFailure.allCases.map { failure in
                        let count = instance.status?.targetFailures[failure] ?? 0
                        return sample(instance, Double(count), ("reason", failure.rawValue))
                    }
                }
            ),
            MetricFamily(
                "nodepass_tunnel_peer_connected",
                "gauge",
                "1 while the other end of a two-ended tunnel is connected.",
                instances.compactMap { instance in
                    instance.hasTwoEnds ? sample(instance, instance.status?.peer?.isConnected == true ? 1 : 0) : nil
                }
            ),
        ]
    }

    /// For each declared tunnel, and each declaration that has no tunnel.
    static func invalid(_ instances: [Instance], names: [String]) -> MetricFamily {
        let declared = instances.filter { $0.origin == .manifest }.map(label)
        let all = declared + Set(names).subtracting(declared).sorted()
        let invalid = Set(names)
        return MetricFamily(
            "nodepass_tunnel_invalid",
            "gauge",
            "1 while the declaration on disk has errors, and its last good form runs where there is one.",
            all.map { .init(labels: [("tunnel", $0)], value: invalid.contains($0) ? 1 : 0) }
        )
    }

    private static func sample(
        _ instance: Instance,
        _ value: Double,
        _ others: (name: String, value: String)...
    ) -> MetricFamily.Sample {
        MetricFamily.Sample(labels: [("tunnel", label(instance))] + others, value: value)
    }

    /// With those of deleted tunnels.
    private static func draining(_ instances: [Instance], _ leaving: [LeavingInstance]) -> MetricFamily {
        var counts = instances.map { (label($0), $0.status?.drainingConnections ?? 0) }
        let known = Set(counts.map(\.0))
        for tunnel in leaving {
            let label = tunnel.name.isEmpty || known.contains(tunnel.name) ? tunnel.id : tunnel.name
            if !known.contains(label) { counts.append((label, tunnel.connections)) }
        }
        return MetricFamily(
            "nodepass_tunnel_draining_connections",
            "gauge",
            "Connections of former runs, and of deleted tunnels, that may finish.",
            counts.map { .init(labels: [("tunnel", $0.0)], value: Double($0.1)) }
        )
    }

    private static func label(_ instance: Instance) -> String { instance.name ?? instance.id }

    private static func phases(_ instance: Instance) -> [MetricFamily.Sample] {
        TunnelPhase.allCases.map { phase in
            sample(instance, phase == instance.phase ? 1 : 0, ("phase", phase.rawValue))
        }
    }

    private static func traffic(
        _ name: String,
        _ help: String,
        _ instances: [Instance],
        _ bytes: (Traffic) -> (tcp: UInt64, udp: UInt64)
    ) -> MetricFamily {
        let samples = instances.flatMap { instance in
            let bytes = bytes(instance.traffic)
            return [("tcp", bytes.tcp), ("udp", bytes.udp)].map { transport, count in
                let labels = [("tunnel", label(instance)), ("transport", transport)]
                return MetricFamily.Sample(labels: labels, value: Double(count))
            }
        }
        return MetricFamily(name, "counter", help, samples)
    }

    private static func connections(_ instance: Instance) -> [MetricFamily.Sample] {
        let counts = [("tcp", instance.status?.tcpConnections ?? 0), ("udp", instance.status?.udpSessions ?? 0)]
        return counts.map { transport, count in
            let labels = [("tunnel", label(instance)), ("transport", transport)]
            return MetricFamily.Sample(labels: labels, value: Double(count))
        }
    }

    private static func certificates(_ instances: [Instance]) -> MetricFamily {
        let samples = instances.compactMap { instance in
            instance.status?.certificate.map { certificate in
                MetricFamily.Sample(
                    labels: [("tunnel", label(instance))],
                    value: certificate.notAfter.timeIntervalSince1970.rounded()
                )
            }
        }
        let help = "When the certificate it shows expires, since the epoch."
        return MetricFamily("nodepass_tunnel_certificate_expiry_timestamp_seconds", "gauge", help, samples)
    }
}

extension Instance {
    fileprivate var hasTwoEnds: Bool {
        guard shouldRun else { return false }
        return spec.role == .server || status?.peer != nil || status?.resolvedMode == 2
    }
}
