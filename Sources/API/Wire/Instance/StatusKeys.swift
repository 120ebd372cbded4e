import Config
package import Tunnel

/// The keys that only an answer about one tunnel has, because lists and events are read far more often.
package struct StatusKeys: WireView {
    package typealias Source = TunnelStatus?

    package static let name = "InstanceStatus"
    package static let summary = "The keys that only an answer about one tunnel has"
    package static let table = WireTable(StatusKeys())

    package let listening = Field("listening", .texts("The addresses that are bound")) { StatusKeys.addresses($0) }
    package let history = Field(
        "history",
        .list(.object(Transition.self), "Its last changes of phase, oldest first")
    ) { $0?.transitions ?? [] }
    package let targets = Field(
        "targets",
        .list(.object(Target.self), "How users fared with its targets, those left out that nobody was connected to")
    ) { status in
        let secrets = status?.spec.secretTexts ?? SecretTexts()
        return (status?.targets ?? []).map { Target.Source(health: $0, secrets: secrets) }
    }
    package let connectedPeer = Field("connected_peer", .nullable(.object(PeerView.self))) { $0?.peer }

    package init() {}

    /// Each address once, whether TCP, UDP or both are carried there.
    private static func addresses(_ status: TunnelStatus?) -> [String] {
        (status?.listening ?? []).reduce(into: []) { seen, address in
            if !seen.contains(address.description) { seen.append(address.description) }
        }
    }

    /// How users fared with one target.
    package struct Target: WireView {
        package struct Source: Sendable {
            let health: TargetHealth
            let secrets: SecretTexts
        }

        package static let name = "Target"
        package static let summary = "How users fared with one target"
        package static let table = WireTable(Target())

        package let target = Field("target", .text("Its address; empty for that of the other end")) { source in
            source.secrets.masked(in: source.health.target?.description ?? "")
        }
        package let failures = Field("failures", .count("Since it was last reached")) { $0.health.failures }
        package let down = Field("down", .flag("Whether users were sent there and none was connected for a while")) {
            $0.health.isDown
        }
        package let error = Field("error", .nullable(.text("What went wrong last"))) { $0.health.error }
        package let errorTime = Field("errorTime", .nullable(.time("When that was"))) { $0.health.errorTime }
        package let reachedTime = Field("reachedTime", .nullable(.time("When it was last reached"))) { source in
            source.health.reachedTime
        }

        package init() {}
    }

    /// A change of a tunnel's phase.
    package struct Transition: WireView {
        package typealias Source = PhaseTransition

        package static let name = "Transition"
        package static let summary = "A change of a tunnel's phase"
        package static let table = WireTable(Transition())

        package let phase = Field("phase", .phase) { $0.phase.rawValue }
        package let reason = Field("reason", .reason) { $0.reason?.rawValue ?? "" }
        package let message = Field("message", .text("In a sentence; may be empty")) { $0.message }
        package let time = Field("time", .time("Time of the change")) { $0.time }

        package init() {}
    }
}
