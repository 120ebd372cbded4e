package import Config
import Reconciler
import Synchronization
package import Tunnel

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A host without sockets: it keeps the promises of `InstanceHost` and notes when the reconciler breaks one.
package final class FakeHost: InstanceHost {
    package enum Call: Sendable, Hashable {
        case run(InstanceID, generation: Int, releaseFirst: Bool)
        case stop(InstanceID)
        case remove(InstanceID)
    }

    private struct Entry {
        var status: TunnelStatus
        var held: Set<ListenAddress> = []

        mutating func step(_ phase: TunnelPhase, _ reason: TunnelReason? = nil) {
            let sequence = (status.transitions.last?.sequence ?? -1) + 1
            let step = PhaseTransition(sequence: sequence, phase: phase, reason: reason, message: "", time: Date())
            status.transitions = (status.transitions + [step]).suffix(TunnelStatus.transitionLimit)
        }
    }

    private struct State {
        var entries: [InstanceID: Entry] = [:]
        var calls: [Call] = []
        var violations: [String] = []
    }

    private let state = Mutex(State())
    package let changes: AsyncStream<Void>
    private let change: AsyncStream<Void>.Continuation

    package init() {
        (changes, change) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    package var calls: [Call] { state.withLock { $0.calls } }
    /// Binds of an address that somebody else (or the instance itself) still held.
    package var violations: [String] { state.withLock { $0.violations } }

    package func forgetCalls() {
        state.withLock { $0.calls = [] }
    }

    /// Shows the instance in this phase, until it is run again.
    package func show(_ id: InstanceID, _ phase: TunnelPhase, _ reason: TunnelReason? = nil) {
        state.withLock { $0.entries[id]?.step(phase, reason) }
        change.yield()
    }

    package func count(_ traffic: Traffic, for id: InstanceID) {
        state.withLock { state in
            guard let before = state.entries[id]?.status.traffic else { return }
            state.entries[id]?.status.traffic = before + traffic
        }
    }

    /// Shows this many connections of users, until told otherwise.
    package func hold(_ connections: Int, for id: InstanceID) {
        state.withLock { $0.entries[id]?.status.tcpConnections = connections }
    }

    // MARK: InstanceHost

    package func snapshot() -> [InstanceID: TunnelStatus] {
        state.withLock { $0.entries.mapValues(\.status) }
    }

    package func status(of id: InstanceID) -> TunnelStatus? {
        state.withLock { $0.entries[id]?.status }
    }

    package func run(_ id: InstanceID, spec: TunnelSpec, generation: Int, releaseFirst: Bool) async {
        state.withLock { state in
            state.calls.append(.run(id, generation: generation, releaseFirst: releaseFirst))
            let fresh = TunnelStatus(spec: spec, generation: generation, transitions: [])
            var entry = state.entries[id] ?? Entry(status: fresh)
            if entry.status.transitions.isEmpty { entry.step(.stopped) }
            if !entry.status.isDown, entry.status.generation != generation {
                entry.held = []
                entry.step(.stopped)
            }
            bind(spec.listenAddresses, to: &entry, id, releaseFirst: releaseFirst, &state)
            entry.status.spec = spec
            entry.status.generation = generation
            entry.step(.starting)
            entry.step(.ready)
            state.entries[id] = entry
        }
        change.yield()
    }

    private func bind(
        _ wanted: Set<ListenAddress>,
        to entry: inout Entry,
        _ id: InstanceID,
        releaseFirst: Bool,
        _ state: inout State
    ) {
        if releaseFirst { entry.held.formIntersection(wanted) }
        for address in wanted.subtracting(entry.held) {
            if entry.held.contains(where: { $0.conflicts(with: address) }) {
                state.violations.append("\(id) blocks itself at \(address.endpoint)")
            }
            for (other, holder) in state.entries where other != id {
                if holder.held.contains(where: { $0.conflicts(with: address) }) {
                    state.violations.append("\(id) binds \(address.endpoint), which \(other) holds")
                }
            }
        }
        entry.held = wanted
    }

    package func stop(_ id: InstanceID) async {
        state.withLock { state in
            state.calls.append(.stop(id))
            state.entries[id]?.held = []
            if state.entries[id]?.status.isDown == false { state.entries[id]?.step(.stopped) }
        }
        change.yield()
    }

    package func remove(_ id: InstanceID) async {
        state.withLock { state in
            state.calls.append(.remove(id))
            state.entries[id] = nil
        }
        change.yield()
    }
}
