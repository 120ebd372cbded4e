import Config
import TestSupport
import Tunnel

/// Chance makes worlds that collide: few ports, hosts that overlap, tunnels that trade places.
extension PlanCase {
    private static let ids = ["a", "b", "c", "d", "e", "f", "g"]

    static func random(using random: inout SeededRandom) -> PlanCase {
        var before = ids.filter { _ in random.chance(3, in: 4) }.map { WorldTunnel.random($0, using: &random) }
        if random.chance(1, in: 2) { before.separate(using: &random) }
        if random.chance(1, in: 3) { before.collide(using: &random) }
        for index in before.indices { before[index].live(using: &random) }
        var after = random.chance(3, in: 4) ? before.map(\.asWished) : []
        if after.isEmpty {
            after = ids.filter { _ in random.chance(3, in: 4) }.map { WorldTunnel.random($0, using: &random) }
        }
        after.edit(using: &random)
        after.separate(using: &random)
        return PlanCase(before: before, after: after, occupied: occupied(beside: before, using: &random))
    }

    /// Often just where a tunnel of before wanted to move.
    private static func occupied(beside before: [WorldTunnel], using random: inout SeededRandom) -> Set<ListenAddress> {
        guard random.chance(1, in: 4) else { return [] }
        let movers = before.filter { $0.former != nil }
        let places = [Endpoint.random(using: &random)] + movers.map(\.spec.tunnel)
        return [ListenAddress(random.pick(places), random.pick([.tcp, .udp]))]
    }
}

extension [WorldTunnel] {
    /// What people do between two readings of a manifest.
    fileprivate mutating func edit(using random: inout SeededRandom) {
        removeAll { _ in random.chance(1, in: 8) }
        for index in indices where random.chance(1, in: 3) { self[index].edit(using: &random) }
        if random.chance(1, in: 2) { trade(using: &random) }
    }

    /// Some tunnels hand their places round, as in a swap of ports.
    private mutating func trade(using random: inout SeededRandom) {
        let traders = indices.filter { self[$0].spec.mode != .two || self[$0].spec.role == .server }
            .shuffled(using: &random).prefix(Int.random(in: 2...4, using: &random))
        guard let first = traders.first, let last = traders.last else { return }
        let place = self[first].spec.tunnel
        for (index, next) in zip(traders, traders.dropFirst()) { self[index].spec.tunnel = self[next].spec.tunnel }
        self[last].spec.tunnel = place
    }

    /// One tunnel wants what another has, and waits.
    fileprivate mutating func collide(using random: inout SeededRandom) {
        let listening = indices.filter { self[$0].spec.tunnel.isLoopback }
        guard listening.count > 1 else { return }
        self[random.pick(listening)].spec.tunnel = self[random.pick(listening)].spec.tunnel
    }

    /// Moves or drops those that want an address which an earlier one wants.
    fileprivate mutating func separate(using random: inout SeededRandom) {
        var kept: [WorldTunnel] = []
        for tunnel in self {
            var candidate = tunnel
            for _ in 0..<8 {
                if PlanCase(before: [], after: kept + [candidate], occupied: []).isFair {
                    kept.append(candidate)
                    break
                }
                candidate.move(using: &random)
            }
        }
        self = kept
    }
}

extension WorldTunnel {
    static func random(_ id: InstanceID, using random: inout SeededRandom) -> WorldTunnel {
        let away = [Endpoint(host: "10.0.0.7", port: 80)]
        let place = Endpoint.random(using: &random)
        let meeting = random.pick([PlanCase.forwardServer, PlanCase.reverseServer])
        var spec =
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4: TunnelSpec(role: .client, tunnel: place, targets: away, mode: .one)
            case 4..<6: TunnelSpec(role: .server, tunnel: place, targets: [.random(using: &random)], mode: .one)
            case 6: TunnelSpec(role: .server, tunnel: place, targets: away, mode: .two)
            case 7: TunnelSpec(role: .client, tunnel: meeting, targets: [place], mode: .two)
            case 8: TunnelSpec(role: .client, tunnel: place, targets: away, mode: .auto)
            default:
                TunnelSpec(
                    role: .server,
                    tunnel: place,
                    targets: [random.pick(away + [.random(using: &random)])],
                    mode: .auto
                )
            }
        if random.chance(1, in: 4) { spec.protocols = [random.pick([.tcp, .udp])] }
        let state: State = random.chance(1, in: 8) ? .stopped : .running
        return WorldTunnel(id: id, spec: spec, generation: Int.random(in: 0...1, using: &random), state: state)
    }

    /// As a manifest says it, without what became of it on the host.
    fileprivate var asWished: WorldTunnel {
        WorldTunnel(id: id, spec: spec, generation: generation, state: isRunning ? .running : .stopped)
    }

    /// What became of it on the host.
    fileprivate mutating func live(using random: inout SeededRandom) {
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<2: state = isRunning ? .failed : .draining
        case 2: state = isRunning ? state : .unknown
        case 3..<6:
            let present = spec
            move(using: &random)
            (former, spec) = (spec, present)
        default: break
        }
    }

    fileprivate mutating func move(using random: inout SeededRandom) {
        if spec.role == .client, spec.mode == .two {
            spec.targets[0] = .random(using: &random)
        } else if random.chance(1, in: 2), spec.role == .server, spec.mode != .two {
            spec.targets[0] = .random(using: &random)
        } else {
            spec.tunnel = .random(using: &random)
        }
    }

    fileprivate mutating func edit(using random: inout SeededRandom) {
        switch Int.random(in: 0..<13, using: &random) {
        case 0: spec.rateMbps = Int.random(in: 1...3, using: &random)
        case 1: spec.key = Secret(random.pick(["one", "two"]))
        case 2: spec.protocols = random.pick([[.tcp], [.udp], [.tcp, .udp]])
        case 3: spec.drain = .seconds(Int.random(in: 0...2, using: &random))
        case 4: spec.targets.append(Endpoint(host: "10.0.0.8", port: 80))
        case 5: spec.mode = random.pick(TunnelMode.allCases)
        case 6: spec.role = spec.role == .client ? .server : .client
        case 7: generation += 1
        case 8: state = isRunning ? .stopped : .running
        case 9: self = .random(id, using: &random)
        default: move(using: &random)
        }
    }
}

extension TunnelSpec {
    fileprivate init(role: TunnelRole, tunnel: Endpoint, targets: [Endpoint], mode: TunnelMode) {
        self.init(role: role, tunnel: tunnel, targets: targets)
        self.mode = mode
    }
}

extension Endpoint {
    private static let hosts = ["127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2", "0.0.0.0", "::", "localhost"]

    fileprivate static func random(using random: inout SeededRandom) -> Endpoint {
        Endpoint(host: random.pick(hosts), port: UInt16.random(in: 1...9, using: &random))
    }
}

extension SeededRandom {
    mutating func chance(_ times: Int, in count: Int) -> Bool {
        Int.random(in: 0..<count, using: &self) < times
    }

    mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: elements.indices, using: &self)]
    }
}
