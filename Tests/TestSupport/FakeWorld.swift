package import Config
import FoundationEssentials
import Reconciler
import Tunnel

/// What a `FakeHost` knows: its instances, who holds which address, and what went wrong.
struct FakeWorld {
    var entries: [InstanceID: FakeInstance] = [:]
    var occupied: Set<ListenAddress> = []
    /// Servers elsewhere; true where users come in at the client.
    var servers: [Endpoint: Bool] = [:]
    var calls: [FakeHost.Call] = []
    private(set) var violations: [String] = []
    private(set) var interruptions: Set<InstanceID> = []
    private var sockets = 0

    mutating func forget() {
        calls = []
        violations = []
        interruptions = []
        for id in entries.keys { entries[id]?.dropped = [] }
    }

    /// A retry stays in its backoff until it has come further.
    mutating func run(
        _ id: InstanceID,
        spec: TunnelSpec,
        generation: Int,
        releaseFirst: Bool,
        isRetry: Bool = false
    ) {
        var entry = entries[id] ?? FakeInstance(spec: spec, generation: generation)
        if entry.status.generation != generation {
            // A restart gives everything up, and may.
            if !entry.status.isDown { entry.close() }
            entry.dropped = []
        }
        let isSameSession = entry.status.spec.isSameSession(as: spec)
        entry.status.spec = spec
        entry.status.generation = generation
        let isWaiting = isRetry && entry.phase == .backoff
        if entry.phase != .ready, entry.phase != .connecting, !isWaiting { entry.step(.starting) }
        if spec.lacksCertificate {
            entry.drop { _ in true }
            entry.step(.failed, .certificateInvalid)
        } else {
            if !isSameSession, entry.phase == .ready, spec.isTwoEnded { entry.step(.connecting) }
            if releaseFirst { entry.drop { !spec.possibleAddresses.contains($0) } }
            bind(addresses(of: spec, for: id, entry), to: &entry, id)
        }
        entries[id] = entry
        meet()
    }

    mutating func stop(_ id: InstanceID) {
        guard entries[id]?.status.isDown == false else { return }
        entries[id]?.close()
    }

    /// Those that wait for an address, or for a certificate that is there now, try again, as a host does by itself.
    mutating func retry() {
        for (id, entry) in entries.sorted(by: { $0.key < $1.key }) where entry.phase == .backoff || entry.isMended {
            let generation = entry.status.generation
            run(id, spec: entry.status.spec, generation: generation, releaseFirst: false, isRetry: true)
        }
    }

    /// All of it or nothing: what it had stays until everything new is bound.
    private mutating func bind(_ wanted: Set<ListenAddress>, to entry: inout FakeInstance, _ id: InstanceID) {
        let new = wanted.filter { entry.held[$0] == nil }
        for address in new where entry.held.keys.contains(where: address.conflicts) {
            violations.append("\(id) stands in its own way at \(address.text)")
        }
        let others = entries.filter { $0.key != id }
        for address in new {
            for (other, holder) in others where holder.held.keys.contains(where: address.conflicts) {
                violations.append("\(id) binds \(address.text), which \(other) holds")
            }
        }
        guard new.allSatisfy({ isFree($0, for: id, entry) }) else {
            if entry.phase != .backoff { entry.step(.backoff, .portInUse) }
            return
        }
        if !entry.dropped.isDisjoint(with: new) { interruptions.insert(id) }
        for address in new {
            sockets += 1
            entry.held[address] = sockets
        }
        entry.drop { !wanted.contains($0) }
        if entry.phase != .ready { entry.step(entry.status.spec.isTwoEnded ? .connecting : .ready) }
    }

    private func isFree(_ address: ListenAddress, for id: InstanceID, _ entry: FakeInstance) -> Bool {
        let holders = entries.filter { $0.key != id }.values + [entry]
        let isHeld = holders.contains { $0.held.keys.contains(where: address.conflicts) }
        return !isHeld && !occupied.contains(where: address.conflicts)
    }
}

// MARK: - Two ends

extension FakeWorld {
    /// What the engine binds for a spec: a client learns from its server whether users come in there.
    private func addresses(of spec: TunnelSpec, for id: InstanceID, _ entry: FakeInstance) -> Set<ListenAddress> {
        var resolved = spec
        resolved.mode = resolvedMode(of: spec, for: id, entry)
        guard spec.role == .client, resolved.mode == .two else { return resolved.possibleAddresses }
        return isForward(serverOf: spec, for: id) == true ? resolved.possibleAddresses : []
    }

    private func resolvedMode(of spec: TunnelSpec, for id: InstanceID, _ entry: FakeInstance) -> TunnelMode {
        guard spec.mode == .auto else { return spec.mode }
        let users = spec.role == .client ? spec.tunnel : spec.targets[0]
        let isFree = spec.protocols.allSatisfy { transport in
            let address = ListenAddress(users, transport)
            return entry.held[address] != nil || self.isFree(address, for: id, entry)
        }
        return (users.isLoopback || users.isUnspecified) && isFree ? .one : .two
    }

    /// Nil while there is no server where this client looks for one.
    private func isForward(serverOf spec: TunnelSpec, for id: InstanceID) -> Bool? {
        if let known = servers[spec.tunnel] { return known }
        let server = entries.first { $0.key != id && !$0.value.status.isDown && $0.value.status.spec.serves(spec) }
        return server.map { $0.value.status.spec.mode == .two }
    }

    /// Brings those together whose other end has come.
    private mutating func meet() {
        for (id, entry) in entries.sorted(by: { $0.key < $1.key }) where entry.phase == .connecting {
            let spec = entry.status.spec
            let isMet =
                spec.role == .client
                ? isForward(serverOf: spec, for: id) != nil
                : entries.values.contains { !$0.status.isDown && spec.serves($0.status.spec) }
            guard isMet else { continue }
            var met = entry
            if spec.role == .client { bind(addresses(of: spec, for: id, met), to: &met, id) }
            if met.phase == .connecting { met.step(.ready) }
            entries[id] = met
        }
    }
}

extension TunnelSpec {
    fileprivate var isTwoEnded: Bool { role == .server || mode == .two }

    fileprivate func serves(_ client: TunnelSpec) -> Bool {
        role == .server && client.role == .client && client.mode == .two && client.tunnel == tunnel
    }

    /// A session survives what is live.
    fileprivate func isSameSession(as other: TunnelSpec) -> Bool {
        changes(to: other).allSatisfy { $0.class < .session }
    }

    fileprivate var lacksCertificate: Bool {
        guard role == .server else { return false }
        switch tls {
        case .filesMissing, .verified: return true
        case .files(let certificate, let key): return [certificate, key].contains { FileState(path: $0) == nil }
        case .off, .selfSigned, nil: return false
        }
    }
}

extension ListenAddress {
    package var text: String { "\(transport.rawValue) \(endpoint)" }
}

extension FakeInstance {
    fileprivate var isMended: Bool {
        phase == .failed && status.reason == .certificateInvalid && !status.spec.lacksCertificate
    }
}

/// One instance of a fake host.
struct FakeInstance {
    var status: TunnelStatus
    /// Each address with the number of its socket.
    var held: [ListenAddress: Int] = [:]
    /// What it has given up since the host was told to forget.
    var dropped: Set<ListenAddress> = []

    init(spec: TunnelSpec, generation: Int) {
        let first = PhaseTransition(sequence: 0, phase: .stopped, reason: nil, message: "", time: Date())
        status = TunnelStatus(spec: spec, generation: generation, transitions: [first])
    }

    var phase: TunnelPhase { status.phase }

    var shown: TunnelStatus {
        var shown = status
        shown.held = Set(held.keys)
        shown.listening = held.sorted { $0.value < $1.value }.map(\.key.endpoint)
        return shown
    }

    /// Notes a step of its life; the same step twice in a row is one.
    mutating func step(_ phase: TunnelPhase, _ reason: TunnelReason? = nil) {
        guard status.phase != phase || status.reason != reason else { return }
        let sequence = (status.transitions.last?.sequence ?? -1) + 1
        let step = PhaseTransition(sequence: sequence, phase: phase, reason: reason, message: "", time: Date())
        status.transitions = (status.transitions + [step]).suffix(TunnelStatus.transitionLimit)
    }

    mutating func drop(where isDropped: (ListenAddress) -> Bool) {
        for address in held.keys.filter(isDropped) {
            held[address] = nil
            dropped.insert(address)
        }
    }

    mutating func close() {
        drop { _ in true }
        step(.stopped)
    }
}
