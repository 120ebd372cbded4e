import Config
package import FoundationEssentials
package import Tunnel

/// The problems of one tunnel, from what is known of it.
extension Problem {
    package static func all(of instance: Instance, now: Date) -> [Problem] {
        var problems: [Problem] = []
        if instance.shouldRun, let status = instance.status {
            problems += [peerMissing(instance, status, now: now) ?? failing(instance, status)].compactMap(\.self)
            problems += targets(instance, status)
        }
        if let certificate = instance.status?.certificate {
            problems += [self.certificate(certificate, id: instance.id, name: instance.title, now: now)].compactMap(
                \.self
            )
        }
        if let override = instance.override, override.changesState {
            problems += [old(override, id: instance.id, name: instance.title, now: now)].compactMap(\.self)
        }
        return problems
    }

    /// A quick look, because every pass asks it of every tunnel.
    static func mayHave(_ desired: DesiredInstance, _ status: TunnelStatus?) -> Bool {
        guard let status else { return desired.override != nil }
        return desired.override != nil || status.certificate != nil || status.phase.isFailing
            || status.phase == .connecting || status.targets.contains(where: \.isDown)
    }

    private static func failing(_ instance: Instance, _ status: TunnelStatus) -> Problem? {
        guard status.phase.isFailing, status.reason != .standby, !status.isWithoutPeer else { return nil }
        let reason = status.reason.map { $0.rawValue + ": " } ?? ""
        var problem = instance.problem(.failing, reason + status.message, remedy: "")
        problem.since = status.notReadySince
        return problem
    }

    private static func peerMissing(_ instance: Instance, _ status: TunnelStatus, now: Date) -> Problem? {
        guard status.isWithoutPeer, let since = status.notReadySince else { return nil }
        guard status.isRefusedByPeer || now.timeIntervalSince(since) >= peerPatience else { return nil }
        let isServer = instance.spec.role == .server
        let missing = isServer ? "no client is connected" : "the server is not connected"
        let text = status.message.isEmpty ? missing : "\(missing): \(status.message)"
        let place = instance.secretPaths.contains("tunnel") ? Secret.mask : instance.spec.tunnel.description
        let remedy =
            switch status.reason {
            case .authFailed: "compare `key` at both ends"
            case .tlsDowngraded: "raise `tls` at the server, or lower it at the client"
            case .peerDowngraded: "if the other end was replaced on purpose: nodepass forget-peer \(instance.title)"
            default:
                isServer
                    ? "is the client running, and does it reach \(place)? `nodepass status` there says more"
                    : "is the server running, and does this machine reach \(place)?"
            }
        var problem = instance.problem(.peerMissing, text, remedy: remedy)
        problem.address = status.peer?.address
        problem.since = since
        return problem
    }

    private static func targets(_ instance: Instance, _ status: TunnelStatus) -> [Problem] {
        let secrets = status.spec.secretTexts
        let down = status.targets.filter(\.isDown)
        return down.map { health in
            let target = health.target.map { secrets.masked(in: $0.description) }
            let what = target.map { "the target \($0)" } ?? "the target at the other end"
            let remedy =
                target.map { "is it running? `nodepass ping \($0)` tries it from this machine" }
                ?? "look at this tunnel at its other end"
            var problem = instance.problem(
                .targetDown,
                "\(what) cannot be reached: \(secrets.masked(in: health.error ?? ""))",
                remedy: remedy
            )
            problem.address = target
            problem.since = health.failingSince
            // Users get another one.
            problem.isUrgent = down.count == status.targets.count || health.target == nil
            return problem
        }
    }

    /// Of a certificate in its last days; nil for another one.
    package static func certificate(
        _ certificate: CertificateSummary,
        id: InstanceID? = nil,
        name: String? = nil,
        now: Date
    ) -> Problem? {
        guard let text = certificate.expiryWarning(now: now) else { return nil }
        let owner = id == nil ? "the API's " : "the "
        var problem = Problem(.certificate, id: id, name: name, owner + text, remedy: "")
        problem.address = certificate.path
        problem.isUrgent = certificate.notAfter <= now
        if problem.isUrgent { problem.since = certificate.notAfter }
        return problem
    }

    static func old(_ override: Override, id: InstanceID, name: String, now: Date) -> Problem? {
        guard now.timeIntervalSince(override.since) >= overrideAge else { return nil }
        let note = override.note.map { ": " + PlainText.line($0) } ?? ""
        var problem = Problem(
            .oldOverride,
            id: id,
            name: name,
            "\(override.change.rawValue) by \(override.by)\(note)",
            remedy: "end it with: nodepass release \(name)"
        )
        problem.since = override.since
        problem.isUrgent = false
        return problem
    }
}

extension Instance {
    /// Its name, else its alias, else its id.
    package var title: String { [name ?? "", labels.alias, id].first { !$0.isEmpty } ?? id }

    fileprivate func problem(_ kind: Problem.Kind, _ text: String, remedy: String) -> Problem {
        Problem(kind, id: id, name: title, text, remedy: remedy)
    }
}

extension TunnelStatus {
    /// It is up to its other end that it does not serve.
    fileprivate var isWithoutPeer: Bool {
        switch (phase, reason) {
        case (_, .standby): false
        case (.connecting, _): true
        case (.backoff, .authFailed), (.backoff, .peerUnreachable), (.backoff, .tlsFingerprintMismatch),
            (.backoff, .tlsDowngraded), (.backoff, .peerDowngraded):
            true
        default: false
        }
    }

    /// The other end is there and does not come together with this one, which waiting does not change.
    fileprivate var isRefusedByPeer: Bool {
        switch reason {
        case .authFailed, .tlsFingerprintMismatch, .tlsDowngraded, .peerDowngraded: true
        default: false
        }
    }

    /// When it was last ready, or began to start; nil while it is ready.
    fileprivate var notReadySince: Date? {
        guard phase != .ready else { return nil }
        let steps = transitions.reversed().prefix { $0.phase != .ready && $0.phase != .stopped }
        return steps.last?.time ?? transitions.last?.time
    }
}
