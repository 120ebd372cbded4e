import Config
import Reconciler
import TestSupport
import Testing
import Tunnel

/// Two worlds: what runs on a host, and what should.
struct PlanCase: Sendable {
    var before: [WorldTunnel]
    var after: [WorldTunnel]
    /// Addresses that somebody else has all the while.
    var occupied: Set<ListenAddress>

    static let forwardServer = Endpoint(host: "forward.example", port: 1)
    static let reverseServer = Endpoint(host: "reverse.example", port: 1)

    var desired: [DesiredInstance] {
        get throws { try after.map { try $0.desired } }
    }

    /// What can be asked for: no two tunnels that should run want one address, none wants one twice, and all servers that
    /// are met are elsewhere.
    var isFair: Bool {
        let running = after.filter(\.isRunning)
        let wanted = running.map(\.binds)
        guard wanted.allSatisfy({ !$0.standsInItsOwnWay }), running.allSatisfy(\.meetsElsewhere) else { return false }
        return wanted.indices.allSatisfy { index in
            wanted[..<index].allSatisfy { !$0.conflicts(with: wanted[index]) }
        }
    }

    /// A host on which everything before has happened and nothing is noted yet.
    func host() async -> FakeHost {
        let host = FakeHost()
        host.serve(Self.forwardServer, isForward: true)
        host.serve(Self.reverseServer, isForward: false)
        for address in occupied { host.occupy(address) }
        for tunnel in before { await tunnel.live(on: host) }
        host.forget()
        return host
    }
}

/// One tunnel of a world.
struct WorldTunnel: Sendable, Hashable {
    /// How it fares on the host before the plan.
    enum State: String, Sendable, Hashable {
        case running
        /// Runs, but has been shown as failed for good.
        case failed
        case stopped
        /// Stopped, with connections that still finish.
        case draining
        /// Stopped, and the host has never seen it.
        case unknown
    }

    let id: InstanceID
    var spec: TunnelSpec
    var generation = 0
    var state = State.running
    /// What it ran with at first; where it still listens when it could not move to `spec`'s address.
    var former: TunnelSpec?

    var isRunning: Bool { state == .running || state == .failed }

    /// What a host binds for it where nothing stands in the way.
    var binds: Set<ListenAddress> {
        var resolved = spec
        if spec.mode == .auto { resolved.mode = users.isLoopback || users.isUnspecified ? .one : .two }
        let isMeeting = resolved.role == .client && resolved.mode == .two
        return isMeeting && spec.tunnel != PlanCase.forwardServer ? [] : resolved.possibleAddresses
    }

    fileprivate var meetsElsewhere: Bool {
        spec.role == .server || spec.mode != .two
            || [PlanCase.forwardServer, PlanCase.reverseServer].contains(spec.tunnel)
    }

    /// Where users come in when the mode is `auto` and the address can be bound.
    private var users: Endpoint { spec.role == .client ? spec.tunnel : spec.targets[0] }

    var desired: DesiredInstance {
        get throws {
            var record = InstanceRecord(
                id: id,
                origin: .api,
                url: "",
                spec: spec,
                labels: TunnelLabels(),
                revision: "",
                createdAt: epoch
            )
            record.generation = generation
            record.running = isRunning
            return try #require(DesiredInstance(record))
        }
    }

    fileprivate func live(on host: FakeHost) async {
        guard state != .unknown else { return }
        if let former { await host.run(id, spec: former, generation: generation, releaseFirst: false) }
        let blocksItself = former.map { $0.possibleAddresses.union(spec.possibleAddresses).standsInItsOwnWay } ?? false
        await host.run(id, spec: spec, generation: generation, releaseFirst: blocksItself)
        switch state {
        case .running, .unknown: break
        case .failed: host.show(id, .failed, .noPermission)
        case .stopped: await host.stop(id)
        case .draining:
            await host.stop(id)
            host.show(id, .draining)
        }
    }
}

// MARK: - For people

extension PlanCase: CustomStringConvertible {
    var description: String {
        let others =
            occupied.isEmpty ? "" : "\nsomebody else has \(occupied.map(\.text).sorted().joined(separator: ", "))"
        return "before\n\(lines(before))\nafter\n\(lines(after))\(others)"
    }

    private func lines(_ world: [WorldTunnel]) -> String {
        world.isEmpty ? "  nothing" : world.map { "  \($0)" }.joined(separator: "\n")
    }
}

extension WorldTunnel: CustomStringConvertible {
    var description: String {
        let past = former.map { " (first \($0.url))" } ?? ""
        return "\(id)  \(spec.url)  gen \(generation) \(state.rawValue)\(past)"
    }
}

extension Set<ListenAddress> {
    /// One of them can not be bound while another is.
    fileprivate var standsInItsOwnWay: Bool {
        contains { one in contains { $0 != one && $0.conflicts(with: one) } }
    }
}

extension ReconcilePlan {
    /// One line a step, numbered by stage.
    var text: String {
        if isEmpty { return "  nothing" }
        let lines = stages.enumerated().flatMap { stage, actions in actions.map { "  \(stage + 1). \($0.text)" } }
        return lines.joined(separator: "\n")
    }
}

extension ReconcilePlan.Action {
    fileprivate var text: String {
        switch self {
        case .remove(let id): "remove \(id)"
        case .stop(let id): "stop \(id)"
        case .run(let desired, let reason, let releaseFirst):
            "run \(desired.id) (\(reason))" + (releaseFirst ? ", releasing first" : "")
        }
    }
}
