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

    package init() {}

    /// Each address once, whether TCP, UDP or both are carried there.
    private static func addresses(_ status: TunnelStatus?) -> [String] {
        (status?.listening ?? []).reduce(into: []) { seen, address in
            if !seen.contains(address.description) { seen.append(address.description) }
        }
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
