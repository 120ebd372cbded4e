import Config
import FoundationEssentials
import Tunnel

/// What clients know of one instance: the last step of its life, the form it had, its last figures.
struct AnnouncedInstance: Sendable {
    /// Sequence of the last step that was announced; nil before the host has shown one.
    private(set) var cursor: Int?
    private(set) var phase = TunnelPhase.stopped
    /// It fails, and clients know.
    var isDrifting = false
    /// The form clients have seen; nil for one that they have not, or that was hidden.
    private(set) var shown: DesiredInstance?
    /// The last form it had, for the event of its end.
    private(set) var last: DesiredInstance?
    /// The last traffic report; nil before the first, and once nobody listened.
    var report: TrafficReport?

    init() {}

    /// As a former run of the daemon left it.
    init(record: InstanceRecord) {
        var lasting = record
        lasting.departing = false
        shown = DesiredInstance(record)
        last = shown ?? DesiredInstance(lasting) ?? DesiredInstance(lasting.withoutOverride)
    }

    /// The steps of its life that were not announced yet; that one begins as stopped is no news.
    func unseen(of status: TunnelStatus?) -> [PhaseTransition] {
        let transitions = status?.transitions ?? []
        guard let cursor else { return Array(transitions.drop { $0.phase == .stopped }) }
        return transitions.filter { $0.sequence > cursor }
    }

    /// Whether there is anything to announce.
    func hasNews(_ desired: DesiredInstance, _ status: TunnelStatus?) -> Bool {
        if let newest = status?.transitions.last?.sequence, newest > cursor ?? Int.min { return true }
        return differs(from: desired)
    }

    /// Whether a client could tell this form from the one it has seen.
    func differs(from desired: DesiredInstance) -> Bool {
        guard let shown else { return true }
        return shown !== desired && ComparedView(shown) != ComparedView(desired)
    }

    /// These steps and this form have been announced.
    mutating func note(_ desired: DesiredInstance, _ steps: [PhaseTransition]) {
        cursor = steps.last?.sequence ?? cursor
        phase = steps.last?.phase ?? phase
        if !desired.shouldRun { isDrifting = false }
        shown = desired
        last = desired
    }
}

/// The values of an instance that a client can compare.
private struct ComparedView: Hashable {
    let name: String?
    let origin: Instance.Origin
    let url: String
    let labels: TunnelLabels
    let autostart: Bool
    let revision: String
    let override: Override?

    init(_ desired: DesiredInstance) {
        name = desired.name
        origin = desired.origin
        url = desired.url
        labels = desired.labels
        autostart = desired.autostart
        revision = desired.revision
        override = desired.override
    }
}
