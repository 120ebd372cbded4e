import Config
import FoundationEssentials
import Reconciler
import TestSupport
import Testing
import Tunnel

@Suite("Desired state, through any sequence of events")
struct DesiredStatePropertyTests {
    private let sequencesPerSeed = 5

    @Test("it is what the rules of ownership say, and the store keeps all of it", arguments: 0..<40)
    func rules(_ seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        for number in 0..<sequencesPerSeed {
            let steps = (0..<25).map { _ in DesiredStep.random(using: &random) }
            guard try DesiredRun.failure(of: steps) != nil else { continue }
            let smallest = try await shrunk(steps, candidates: DesiredStep.simpler) { simpler in
                try DesiredRun.failure(of: simpler) != nil
            }
            let failure = try DesiredRun.failure(of: smallest) ?? ""
            let lines = smallest.map { "  \($0)" }.joined(separator: "\n")
            Issue.record("\(failure) (seed \(seed), sequence \(number))\n\(lines)")
            return
        }
    }
}

/// A desired state beside the model of it.
private struct DesiredRun {
    private var state = DesiredState()
    private var model = DesiredModel()
    private var now = epoch
    private var problems: [String] = []
    /// Gone, but still in the store.
    private var forgotten: [InstanceID] = []
    private let directory: TemporaryDirectory

    /// What is wrong after the first step after which something is, or nil.
    static func failure(of steps: [DesiredStep]) throws -> String? {
        var run = try DesiredRun(directory: TemporaryDirectory())
        for step in steps {
            try run.take(step)
            run.compare()
            if !run.problems.isEmpty { return "after '\(step)': " + run.problems.joined(separator: "; ") }
        }
        return nil
    }

    private init(directory: TemporaryDirectory) {
        self.directory = directory
    }

    private mutating func check(_ isRight: Bool, _ problem: @autoclosure () -> String) {
        if !isRight { problems.append(problem()) }
    }

    private mutating func take(_ step: DesiredStep) throws {
        switch step {
        case .declare(let tunnels, let policy, let prune): declare(tunnels, policy, prune: prune)
        case .reject:
            let before = state.records
            let outcome = state.declare(reading("tunnels: ["), now: now)
            check(outcome.changed.isEmpty && state.records == before, "a rejected manifest changed something")
        case .patch(let name, let patch):
            let namesState = patch.autostart != nil || patch.action == .start || patch.action == .stop
            mutate(name, namesState, { try $0.patched($1, patch, $2, isFailing: false, now: $3) }) { tunnel in
                tunnel.visible.alias = patch.alias ?? tunnel.visible.alias
                tunnel.visible.autostart = patch.autostart ?? tunnel.visible.autostart
                switch patch.action {
                case .start, .restart: tunnel.visible.isRunning = true
                case .stop: tunnel.visible.isRunning = false
                case .reset, nil: break
                }
            }
        case .replace(let name, let port): replace(name, port)
        case .delete(let name): mutate(name, true, { try $0.deleted($1, $2, now: $3) }) { $0.isDeleted = true }
        case .release(let name):
            let expected = model.release(name)
            attempt(name, expected) { try $0.released($1, $2) }
        case .wait(let seconds):
            now = now.addingTimeInterval(Double(seconds))
            _ = state.expireOverrides(now: now)
            model.expire(at: now)
        case .forgetDeparted:
            for record in state.records.values where record.departing {
                state.forget(record.id)
                forgotten.append(record.id)
            }
        case .restart: try restart()
        }
    }

    private mutating func declare(_ tunnels: [String: DeclaredTunnel?], _ policy: ManifestPolicy, prune: Bool) {
        let reading = DesiredStep.reading(tunnels, policy)
        let before = model.tunnels
        model.declare(tunnels, policy, prune: prune)
        let outcome = state.declare(reading, prune: prune, now: now)
        check(outcome.invalid == tunnels.filter { $0.value == nil }.keys.sorted(), "invalid \(outcome.invalid)")
        let overtaken = before.filter { name, tunnel in
            guard tunnel.isOverridden, tunnels[name]?.map({ _ in true }) == true else { return false }
            guard let after = model.tunnels[name], after != tunnel else { return false }
            return !after.isOverridden || tunnel.isStateOverridden
        }
        check(Set(outcome.overtaken) == Set(overtaken.keys.map(id)), "overtaken \(outcome.overtaken)")
        let records = state.records
        let again = state.declare(reading, prune: prune, now: now)
        check(again.changed.isEmpty && state.records == records, "declaring twice changed \(again.changed.map(\.id))")
    }

    private mutating func replace(_ name: String, _ port: Int) {
        if let tunnel = model.tunnels[name], !tunnel.isDeleted, tunnel.visible.port == port {
            return attempt(name, .conflict("Instance URL conflict")) { state, id, context in
                try state.replaced(id, by: CheckedTunnel(url: clientURL(port)), context, now: epoch)
            }
        }
        mutate(name, true, { try $0.replaced($1, by: CheckedTunnel(url: clientURL(port)), $2, now: $3) }) { tunnel in
            tunnel.visible.port = port
            tunnel.visible.isRunning = true
        }
    }

    private typealias Mutation = (DesiredState, InstanceID, MutationContext, Date) throws -> InstanceRecord

    private mutating func mutate(
        _ name: String,
        _ namesState: Bool,
        _ mutation: Mutation,
        _ change: (inout DesiredModel.Tunnel) -> Void
    ) {
        let expected = model.change(name, at: now, namesState: namesState, change)
        let time = now
        attempt(name, expected) { try mutation($0, $1, $2, time) }
    }

    private mutating func attempt(
        _ name: String,
        _ expected: MutationError?,
        _ mutation: (DesiredState, InstanceID, MutationContext) throws -> InstanceRecord
    ) {
        do {
            state.put(try mutation(state, id(name), MutationContext(by: "test")))
            check(expected == nil, "\(name) was changed, not refused: \(String(describing: expected))")
        } catch let error as MutationError {
            switch (error, expected) {
            case (.denied, .denied), (.notFound, .notFound), (.conflict, .conflict): break
            default: problems.append("\(name): \(error), not \(String(describing: expected))")
            }
        } catch {
            problems.append("\(error)")
        }
    }

    /// Ids come from names alone, as long as nobody else has them.
    private func id(_ name: String) -> InstanceID { DesiredState().id(forName: name) }

    private mutating func restart() throws {
        let path = directory.file("state")
        let before = state.records
        do {
            let store = try StateStore.open(directory: path, now: epoch)
            try store.save(Array(before.values), removing: forgotten)
            forgotten = []
        }
        let stored = try StateStore.open(directory: path, now: epoch).instances()
        let records = Dictionary(uniqueKeysWithValues: stored.records.map { ($0.id, $0) })
        check(records == before, "the store gave back something else")
        state = DesiredState(records: stored.records)
        _ = state.daemonStarted()
        model.daemonStarted()
    }

    private mutating func compare() {
        for name in DesiredStep.names {
            let (expected, record) = (model.tunnels[name], state.records[id(name)])
            let instance = state.named(name)
            check(state.records.values.allSatisfy { $0.name != name || $0.id == id(name) }, "\(name) has another id")
            guard let expected, !expected.isDeleted else {
                check(instance == nil, "\(name) is there")
                check(
                    (expected != nil) == (record?.override?.deleted ?? false),
                    "\(name) is not deleted by an override"
                )
                continue
            }
            check(instance.map(DesiredModel.Tunnel.View.init) == expected.visible, "\(name) is not \(expected.visible)")
            check(
                (instance?.override != nil) == expected.isOverridden,
                "\(name) overridden: not \(expected.isOverridden)"
            )
            check(instance?.override?.until == expected.until, "\(name) ends at another time")
            check(
                (instance?.origin == .manifest) == expected.isDeclared,
                "\(name) declared: not \(expected.isDeclared)"
            )
        }
        let count = state.ordered.count
        check(count == model.tunnels.values.count { !$0.isDeleted }, "\(count) instances")
        check(state.nextExpiry == model.tunnels.values.compactMap(\.until).min(), "the next expiry is another")
    }
}

extension DesiredModel.Tunnel.View {
    init(_ instance: DesiredInstance) {
        self.init(
            port: Int(instance.spec.tunnel.port),
            isRunning: instance.shouldRun,
            alias: instance.labels.alias,
            autostart: instance.autostart
        )
    }
}
