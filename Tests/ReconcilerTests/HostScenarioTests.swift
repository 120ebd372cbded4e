import Config
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("Every host does the same", .timeLimit(.minutes(2)))
struct HostScenarioTests {
    @Test("the fake host", arguments: HostScenario.all)
    func fake(_ scenario: HostScenario) async throws {
        try await perform(scenario, on: FakeHost())
    }

    @Test("the engine", arguments: HostScenario.all)
    func engine(_ scenario: HostScenario) async throws {
        try await withEngine { engine in try await perform(scenario, on: EngineHost(engine)) }
    }

    private func perform(_ scenario: HostScenario, on host: some ScenarioHost) async throws {
        let stage = try ScenarioStage(host)
        // Follows the host for as long as the scenario plays; ends with it.
        let follower = Task { for await _ in host.changes { stage.look() } }
        defer { follower.cancel() }
        try await stage.play(scenario.steps)
    }
}

/// Plays a scenario on a host and compares.
private final class ScenarioStage<Host: ScenarioHost>: Sendable {
    private let host: Host
    private let ports: [UInt16]
    private let directory: TemporaryDirectory
    private let seen = Awaited<[InstanceID: TunnelStatus]>([:])
    /// Sequence of the last step of each instance that was looked at.
    private let cursors = Awaited<[InstanceID: Int]>([:])

    init(_ host: Host) throws {
        self.host = host
        ports = try FreePorts.take(9).map { UInt16($0) }
        directory = try TemporaryDirectory()
    }

    func look() {
        let now = host.snapshot()
        seen.change { $0 = now }
    }

    func play(_ steps: [ScenarioStep]) async throws {
        for step in steps { try await play(step) }
    }

    private func play(_ step: ScenarioStep) async throws {
        switch step {
        case .run(let id, let url, let generation, let releaseFirst):
            await host.run(id, spec: try spec(resolved(url)), generation: generation, releaseFirst: releaseFirst)
        case .stop(let id): await host.stop(id)
        case .remove(let id): await host.remove(id)
        case .plan(let wishes):
            let desired = try wishes.map(desired)
            await ReconcilePlan(desired: desired, actual: host.snapshot()).apply(to: host)
            #expect(ReconcilePlan(desired: desired, actual: host.snapshot()).isEmpty)
        case .settled(let wishes):
            #expect(ReconcilePlan(desired: try wishes.map(desired), actual: host.snapshot()).isEmpty)
        case .occupy(let port): try await host.occupy(port: ports[port - 1])
        case .vacate(let port): try await host.vacate(port: ports[port - 1])
        case .writeCertificate:
            try TestAuthority().issue(to: ["localhost"]).write(to: directory)
            host.filesChanged()
        case .expect(let id, let phase, let reason, let ports, let steps):
            try await expect(id, phase, reason, at: ports, via: steps)
        case .forgotten(let id): #expect(host.snapshot()[id] == nil)
        case .nobody(let port): #expect(try host.sockets(at: ports[port - 1]).isEmpty)
        case .keeping(let port, let steps):
            let before = try host.sockets(at: ports[port - 1])
            try await play(steps)
            let after = try host.sockets(at: ports[port - 1])
            #expect(!after.isEmpty && after.isSubset(of: before), "the listener at %\(port) is another one")
        }
    }

    private func expect(
        _ id: InstanceID,
        _ phase: TunnelPhase,
        _ reason: TunnelReason?,
        at numbers: [Int],
        via steps: [TunnelPhase]
    ) async throws {
        let wanted = Set(numbers.map { ports[$0 - 1] })
        look()
        let status = try await seen.wait(for: "\(id) to be \(phase) at \(numbers)", limit: .seconds(20)) { seen in
            seen[id].flatMap { status in
                let isThere = status.phase == phase && status.reason == reason
                return isThere && Set(status.listening.map(\.port)) == wanted ? status : nil
            }
        }
        let last = cursors.change { cursors in
            let last = cursors[id] ?? 0
            cursors[id] = status.transitions.last?.sequence
            return last
        }
        let taken = status.transitions.withoutRetries.filter { $0.sequence > last }
        #expect(taken.map(\.phase) == steps, "the steps of \(id)")
        for port in wanted { #expect(try !host.sockets(at: port).isEmpty) }
    }

    private func desired(_ wish: ScenarioStep.Wish) throws -> DesiredInstance {
        var record = try apiRecord(wish.id, url: resolved(wish.url))
        record.generation = wish.generation
        record.running = wish.isRunning
        return try #require(DesiredInstance(record))
    }

    private func resolved(_ url: String) -> String {
        let files = url.replacing("%certificate", with: directory.file("server.crt"))
            .replacing("%key", with: directory.file("server.key"))
        return ports.enumerated().reduce(files) { text, port in
            text.replacing("%\(port.offset + 1)", with: "\(port.element)")
        }
    }
}

extension [PhaseTransition] {
    /// Without the beginning of further attempts: one that a plan asks for is a step, one that the host makes by itself is
    /// not, and which of them comes first is a matter of time.
    fileprivate var withoutRetries: [PhaseTransition] {
        reduce(into: []) { steps, step in
            let isWaiting = steps.last?.phase == .backoff
            if !isWaiting || step.phase != .starting && step.phase != .backoff { steps.append(step) }
        }
    }
}
